"""A form: what a person typed, the schema it is meant for, and what is wrong with it.

The rules are the schema's and the table's, not repeated here. What they refuse comes back as a
sentence at its field, beside what was typed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any, Generic, TypeVar, get_args

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import Conflict, InvalidValues, StaleVersion

SchemaT = TypeVar("SchemaT", bound=BaseModel)
Result = TypeVar("Result")


@dataclass
class Form(Generic[SchemaT]):
    """Hold what was typed into the fields of a schema, and a sentence for each field that is wrong."""

    schema: type[SchemaT]
    typed: Mapping[str, str]
    problems: dict[str, str] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    """What somebody else has stored meanwhile, by the fields in which it is not what was typed."""
    stale: bool = False

    @classmethod
    def blank(cls, schema: type[SchemaT], **given: Any) -> Form[SchemaT]:
        """Fill a form with the schema's defaults and what is given."""
        fields = schema.model_fields.items()
        defaults = {name: one.get_default() for name, one in fields if not one.is_required()}
        return cls.showing(schema, {**defaults, **given})

    @classmethod
    def showing(cls, schema: type[SchemaT], values: Mapping[str, Any]) -> Form[SchemaT]:
        """Fill a form with values."""
        return cls(schema, _as_typed(values))

    @classmethod
    async def sent(cls, request: Request, schema: type[SchemaT]) -> Form[SchemaT]:
        """Take what a browser sent for the schema's fields; refuse what no form of the app sends."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _MEDIA_TYPES:
            raise HTTPException(415, "What was sent is not a form. Open its page and send it from there.")
        typed: dict[str, str] = {}
        async with request.form() as sent:
            for name in schema.model_fields:
                text = sent.get(name)
                if text is None:
                    continue
                if not isinstance(text, str):
                    wrong = {
                        "type": "string_type",
                        "loc": ("body", name),
                        "msg": "Please send text, not a file",
                    }
                    raise RequestValidationError([wrong], body={name: None})
                typed[name] = text.replace("\r\n", "\n").strip()
        return cls(schema, typed)

    async def save(
        self,
        session: AsyncSession,
        write: Callable[[SchemaT], Awaitable[Result]],
        *,
        taken: str = "Another one already has this. Please choose another.",
    ) -> Result | None:
        """Write what was typed, or return None and keep what was refused as problems.

        The savepoint keeps the session usable after a refusal, so that the page can be shown again.
        """
        try:
            data = self.schema.model_validate(self._values())
            async with session.begin_nested():
                return await write(data)
        except ValidationError as error:
            for entry in error.errors(include_url=False, include_input=False):
                name = str(entry["loc"][0]) if entry["loc"] else ""
                self.problems.setdefault(name, SENTENCES.get(entry["type"], entry["msg"]))
        except StaleVersion:
            self.stale = True
            self.problems[""] = (
                "Somebody else changed this while you did. Compare what is stored now, then save."
            )
        except InvalidValues as error:
            for problem in error.problems:
                self.problems.setdefault(str(problem.path[0]) if problem.path else "", problem.message)
        except Conflict as error:
            sentence = taken if error.kind == "unique" else "This does not exist any more."
            self.problems.update(dict.fromkeys(error.fields or [""], sentence))
        return None

    def against(self, values: Mapping[str, Any]) -> Form[SchemaT]:
        """Show what is stored beside what was typed, so that sending it again is a choice."""
        stored = _as_typed(values)
        differing = {name: text for name, text in stored.items() if self.typed.get(name, text) != text}
        version = {"version": stored["version"]} if "version" in stored else {}
        differing.pop("version", None)
        return replace(self, typed={**self.typed, **version}, stored=differing)

    def _values(self) -> dict[str, str | None]:
        """Read an empty field as no value where the schema allows none."""
        fields = self.schema.model_fields
        return {
            name: None if text == "" and NoneType in get_args(fields[name].annotation) else text
            for name, text in self.typed.items()
        }


def _as_typed(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in values.items()}


_MEDIA_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")

SENTENCES = {
    "missing": "Please fill this in.",
    "string_too_short": "Please fill this in.",
    "string_pattern_mismatch": "Please use small letters, digits and hyphens.",
    "int_parsing": "Please give a whole number.",
    "literal_error": "Please choose one of the list.",
    "date_parsing": "Please give a date, such as 2026-05-31.",
    "date_from_datetime_parsing": "Please give a date, such as 2026-05-31.",
}
