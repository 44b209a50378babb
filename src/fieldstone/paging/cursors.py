"""Cursors: where a keyset page ends, as text that a client can keep and hand back, but not read or change.

A cursor holds the values that the order has at the edge of a page. Some of them may be in no schema
(a list may be ordered by what it does not show), so signing alone would let them leave. It is
therefore encrypted and authenticated, by the construction SIV (Rogaway and Shrimpton 2006, RFC 5297)
over HMAC-SHA-256 and SHAKE-256, which the standard library has:

    base64url( version | tag = HMAC(secret, version, fingerprint, payload) | payload XOR SHAKE(secret, tag) )

Equal positions give equal cursors. `fingerprint` says which list it is: model, filters and order.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NoReturn, cast
from uuid import UUID

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from fieldstone.cache import cached
from fieldstone.errors import ConfigurationError, InvalidValues, PlanError, Problem

Side = Literal["after", "before", "from", "until"]

VERSION = b"\x01"
TAG = 16
FINGERPRINT = 8
SHORTEST_SECRET = 32
_SIDES: tuple[Side, ...] = ("after", "before", "from", "until")

logger = logging.getLogger("fieldstone")


@dataclass(frozen=True)
class Position:
    """A place in a list: the values of its order, and which side of them is meant.

    `after` and `before` leave the row with these values out, `from` and `until` take it in.
    """

    side: Side
    values: tuple[Any, ...]

    @property
    def backward(self) -> bool:
        return self.side in ("before", "until")

    @property
    def inclusive(self) -> bool:
        return self.side in ("from", "until")


@dataclass(frozen=True)
class Cursors:
    """Write positions as cursors and read them back, under one secret.

    All processes that serve one list need the same secret, of at least 32 characters. Give it
    here, or set FIELDSTONE_CURSOR_SECRET for the cursors that `seek` uses by itself.
    """

    secret: str | bytes = field(repr=False)
    shared: bool = field(default=True, repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < SHORTEST_SECRET:
            raise ConfigurationError(
                f"The secret of cursors is too short: it has {len(self.secret)} characters of at least "
                f"{SHORTEST_SECRET}. Make one with: "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )

    def write(self, position: Position, fingerprint: bytes) -> str:
        """Write a position in the list that the fingerprint names."""
        content = [_SIDES.index(position.side), [dump(value) for value in position.values]]
        payload = fingerprint + json.dumps(content, separators=(",", ":")).encode()
        tag = self._tag(payload)
        return _text(VERSION + tag + self._masked(payload, tag))

    def read(
        self, cursor: str, fingerprint: bytes, enums: Sequence[type[Enum] | None] | None = None
    ) -> Position:
        """Read a cursor of the list that the fingerprint names. Raises InvalidValues for any other text.

        `enums` names for each value the Enum that it is a member of, if any.
        """
        payload = self._opened(cursor)
        if not hmac.compare_digest(payload[:FINGERPRINT], fingerprint):
            _refuse("belongs to another list: its filters or its order are others. Begin without a cursor")
        side, values = json.loads(payload[FINGERPRINT:])
        kinds = enums if enums is not None else [None] * len(values)
        try:
            loaded = tuple(load(value, kind) for value, kind in zip(values, kinds, strict=True))
        except (KeyError, ValueError):  # written by a release whose Enum had other members
            _refuse("was made for an earlier form of this list. Begin without a cursor")
        return Position(_SIDES[side], loaded)

    def _opened(self, cursor: str) -> bytes:
        raw = _raw(cursor)
        tag, masked = raw[1 : 1 + TAG], raw[1 + TAG :]
        payload = self._masked(masked, tag)
        authentic = hmac.compare_digest(self._tag(payload), tag)
        if raw[:1] != VERSION or not authentic:
            if not self.shared:
                logger.warning(
                    "A cursor was refused, and the secret of cursors is this process's own: "
                    "set FIELDSTONE_CURSOR_SECRET, the same for all processes."
                )
            _refuse("was not made by this service, or was changed on the way. Begin without a cursor")
        return payload

    def _key(self, purpose: bytes) -> bytes:
        secret = self.secret.encode() if isinstance(self.secret, str) else self.secret
        return hmac.digest(secret, b"fieldstone cursor " + purpose, "sha256")

    def _tag(self, payload: bytes) -> bytes:
        return hmac.digest(self._key(b"tag"), VERSION + payload, "sha256")[:TAG]

    def _masked(self, payload: bytes, tag: bytes) -> bytes:
        mask = hashlib.shake_256(self._key(b"mask") + tag).digest(len(payload))
        return (int.from_bytes(payload) ^ int.from_bytes(mask)).to_bytes(len(payload))


class CursorSettings(BaseSettings):
    """Read the secret of cursors from the environment, or from a `.env` file beside the program."""

    model_config = SettingsConfigDict(
        env_prefix="FIELDSTONE_", env_file=".env", extra="ignore", hide_input_in_errors=True
    )

    cursor_secret: SecretStr | None = None


@cached
def standard() -> Cursors:
    """Give the cursors of FIELDSTONE_CURSOR_SECRET, else of a secret that this process makes and keeps.

    Its own secret is as safe, but its cursors end with the process, and no other process reads them.
    """
    configured = CursorSettings().cursor_secret
    if configured is None or not configured.get_secret_value():
        return Cursors(secrets.token_bytes(SHORTEST_SECRET), shared=False)
    return Cursors(configured.get_secret_value())


def fingerprint_of(*parts: Any) -> bytes:
    """Name a list by what makes it: equal parts give equal names, in every process."""
    return hashlib.blake2b(repr(parts).encode("utf-8", "backslashreplace"), digest_size=FINGERPRINT).digest()


# Values: what JSON has stands as it is, the rest as [tag, text].

_TICK = timedelta(microseconds=1)
_KINDS: tuple[tuple[type[Any], str, Callable[[Any], str], Callable[[str], Any]], ...] = (
    (float, "f", repr, float),
    (Decimal, "n", str, Decimal),
    (datetime, "t", datetime.isoformat, datetime.fromisoformat),  # before date, which it also is
    (date, "d", date.isoformat, date.fromisoformat),
    (time, "h", time.isoformat, time.fromisoformat),
    (timedelta, "s", lambda value: str(value // _TICK), lambda text: _TICK * int(text)),
    (UUID, "u", lambda value: value.hex, UUID),
    (bytes, "b", bytes.hex, bytes.fromhex),
)
_LOADERS = {tag: loader for _, tag, _, loader in _KINDS}


def dump(value: Any) -> Any:
    """Give a value of a column in a form that JSON keeps exactly."""
    if isinstance(value, Enum):
        return ["e", value.name]
    if value is None or isinstance(value, bool | int | str):
        return value
    for kind, tag, dumper, _ in _KINDS:
        if isinstance(value, kind):
            return [tag, dumper(value)]
    raise PlanError(
        f"A cursor cannot hold a value of type {type(value).__name__}. Order by columns of plain types: "
        "text, numbers, dates and times, UUIDs, bytes, Enum or Literal."
    )


def load(value: Any, enum: type[Enum] | None = None) -> Any:
    """Give back the value that `dump` took."""
    if not isinstance(value, list):
        return value
    tag, text = value
    return cast(type[Enum], enum)[text] if tag == "e" else _LOADERS[tag](text)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _raw(cursor: str) -> bytes:
    """Decode base64url in the one form in which it is written: other spellings are no cursors."""
    try:
        given = cursor.encode("ascii")
        raw = base64.b64decode(given + b"=" * (-len(given) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    if len(raw) <= 1 + TAG + FINGERPRINT or _text(raw) != cursor:
        _refuse("is no cursor. Take `next` or `previous` of a page, or begin without a cursor")
    return raw


def _refuse(why: str) -> NoReturn:
    raise InvalidValues("A page", [Problem(("cursor",), "cursor", why)])
