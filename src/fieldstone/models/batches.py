"""Many rows validated together: the same rules, without a call into Python for each value.

A model's rules ask Python functions what a client could get wrong: whether a number is a bool, whether a
text has a NUL. For one row that costs nothing that counts; for ten thousand it is most of the time. Here
Pydantic's own strict types ask the first, and the second is asked of a whole column at once.

Only what is right is told here. Where anything is refused, or a rule needs more than its own field, the
rows go through the model's ordinary validators, whose word on them counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import SchemaValidator

from fieldstone.cache import cached
from fieldstone.models.fields import clean_text, in_utc, now
from fieldstone.models.inputs import is_reading
from fieldstone.models.validation import anatomy_of, stores_utc

Values = dict[str, Any]


@dataclass(frozen=True)
class Batches:
    """The validators of one model, or of one schema, over plain rows.

    `names` are the fields, all of which each row has afterwards. `texts` are those whose text is looked at
    by column, and `moments` those whose zone is left to their column's type, which stores UTC.
    """

    one: SchemaValidator
    some: SchemaValidator
    many: SchemaValidator
    written: SchemaValidator
    names: tuple[str, ...]
    texts: tuple[str, ...]
    moments: tuple[str, ...]

    def row(self, values: Any) -> Values | None:
        """Validate one row; None where the ordinary validators have to say what is wrong, if anything is."""
        return self._checked_one(self.one, values)

    def fields(self, values: Any) -> Values | None:
        """Validate some fields of a row; None as with `row`."""
        return self._checked_one(self.some, values)

    def rows(self, values: list[Any]) -> list[Values] | None:
        """Validate many rows; None where the ordinary validators have to say what is wrong with which."""
        return self._checked(lambda: self.many.validate_python(values))

    def rows_in(self, text: bytes) -> list[Values] | None:
        """Validate the rows of a JSON array; None as with `rows`."""
        return self._checked(lambda: self.written.validate_json(text))

    def _checked_one(self, validator: SchemaValidator, values: Any) -> Values | None:
        try:
            found: Values = validator.validate_python(values)
            texts, moments = map(found.get, self.texts), map(found.get, self.moments)
            return found if _is_clean(texts) and _is_in_range(moments) else None
        except (ValidationError, UnicodeEncodeError):
            return None

    def _checked(self, validate: Callable[[], list[Values]]) -> list[Values] | None:
        try:
            found = validate()
            return found if self._is_storable(found) else None
        except (ValidationError, UnicodeEncodeError):
            return None

    def _is_storable(self, rows: list[Values]) -> bool:
        return all(_is_clean(row.get(name) for row in rows) for name in self.texts) and all(
            _is_in_range(row.get(name) for row in rows) for name in self.moments
        )


def _is_in_range(column: Iterable[datetime | None]) -> bool:
    """Tell whether all moments have a year in UTC, without asking for it."""
    return all(value is None or 1 < value.year < 9999 for value in column)


def _is_clean(column: Iterable[Any]) -> bool:
    """Tell whether no text has what PostgreSQL cannot store. Raises UnicodeEncodeError for a surrogate."""
    text = "".join([value for value in column if value is not None])
    if not text.isascii():
        text.encode()
    return "\x00" not in text


@cached
def batches_of(model: type[BaseModel]) -> Batches | None:
    """Make the validators; None for a model whose rules need more than one field at once."""
    anatomy = anatomy_of(model)
    if anatomy.around or anatomy.fields["type"] != "model-fields" or _looks_around(anatomy.fields):
        return None
    if model.__pydantic_post_init__ or anatomy.fields.get("extras_schema"):
        return None
    return _made(model, anatomy.fields["fields"])


def _made(model: type[BaseModel], fields: dict[str, Any]) -> Batches:
    anatomy = anatomy_of(model)
    stored = frozenset(name for name, field in model.model_fields.items() if stores_utc(field))
    sent, written = _Fields(fields, stored, in_json=False), _Fields(fields, stored, in_json=True)
    return Batches(
        anatomy.validator(sent.row()),
        anatomy.validator(sent.row(whole=False)),
        anatomy.validator({"type": "list", "items_schema": sent.row()}),
        anatomy.validator({"type": "list", "items_schema": written.row()}),
        tuple(fields),
        tuple(sent.texts),
        tuple(sent.moments),
    )


@cached
def held_to(model: type[BaseModel], schema: type[BaseModel]) -> Batches | None:
    """Make the validators of a model's rows that take no other fields than a schema, by the schema's rules.

    None where these say anything of a field that the model does not, so that one pass could not hold to both.
    """
    of_model, of_schema = batches_of(model), batches_of(schema)
    if of_model is None or of_schema is None or not set(of_schema.names) <= set(of_model.names):
        return None
    fields, sent = anatomy_of(model).fields["fields"], anatomy_of(schema).fields["fields"]
    if any(_bare(fields[name]["schema"]) != _bare(field["schema"]) for name, field in sent.items()):
        return None
    if any(field["schema"]["type"] != "default" for name, field in fields.items() if name not in sent):
        return None
    closed = {name: _closed(field) for name, field in fields.items() if name not in sent}
    return _made(model, {**sent, **closed})


def _bare(node: Any) -> Any:
    return node["schema"] if node["type"] == "default" else node


def _closed(field: Any) -> Any:
    """Let a field take its default and nothing that is sent."""
    return {
        **field,
        "schema": {
            **field["schema"],
            "schema": {"type": "literal", "expected": [_NOTHING]},
            "validate_default": False,
        },
    }


_NOTHING = object()


def _looks_around(node: Any) -> bool:
    """Tell whether a function is told of the other fields."""
    if isinstance(node, dict):
        if node.get("type") == "with-info" or node.get("default_factory_takes_data"):
            return True
        return any(_looks_around(value) for key, value in node.items() if key not in ("metadata", "default"))
    return isinstance(node, list | tuple) and any(map(_looks_around, node))


class _Fields:
    """The fields of a model without what Python is asked for nothing."""

    def __init__(self, fields: dict[str, Any], stored_in_utc: frozenset[str], *, in_json: bool) -> None:
        self._stored_in_utc = stored_in_utc
        self._in_json = in_json
        self.texts: list[str] = []
        self.moments: list[str] = []
        # by name alone, as the ordinary way: an alias is for schemas
        self._fields = {name: self._native(name, field["schema"]) for name, field in fields.items()}

    def row(self, *, whole: bool = True) -> Any:
        """Give the schema of a row; not `whole`, of those fields that are sent."""
        return {
            "type": "typed-dict",
            "fields": {name: _field(schema, whole=whole) for name, schema in self._fields.items()},
            "extra_behavior": "forbid",
        }

    def _native(self, name: str, node: Any) -> Any:
        kind, asked = node["type"], node.get("function", {}).get("function")
        if kind == "default":
            found = {**node, "schema": self._native(name, node["schema"])}
            if node.get("default_factory") is now:  # it is what its validators would make of it
                found["validate_default"] = False
            return found
        if kind == "function-after" and asked is clean_text:
            found = _within(node["schema"], "str", lambda inner: inner)
            self.texts += [name] if found else []
            return found or node
        if kind == "function-after" and asked is in_utc and name in self._stored_in_utc:
            found = _within(node["schema"], "datetime", lambda inner: {**inner, "tz_constraint": "aware"})
            self.moments += [name] if found else []
            return self._native(name, found) if found else node
        if kind == "function-before" and is_reading(asked):
            return self._read(node["schema"]) or node
        return node

    def _read(self, node: Any) -> Any:
        """Give the type that refuses by itself what `inputs` does; None where it would refuse more."""
        for kind in ("int", "float", "bool"):
            found = _within(node, kind, lambda inner: {**inner, "strict": True})
            if found:
                return found
        if not self._in_json:
            return None
        return _within(node, "datetime", _as_written) or _within(node, "date", _as_written)


def _field(schema: Any, *, whole: bool) -> Any:
    if schema["type"] != "default":
        return {"type": "typed-dict-field", "schema": schema, "required": whole}
    return {"type": "typed-dict-field", "schema": schema if whole else schema["schema"], "required": False}


def _as_written(node: Any) -> Any:
    """Take a date from text alone, and not from a number in it, where no dash follows a digit."""
    return {"type": "chain", "steps": [{"type": "str", "pattern": r"\d-"}, node]}


def _within(node: Any, kind: str, change: Callable[[Any], Any]) -> Any:
    """Change the type that a field comes down to, where nothing but null and our own reading is around it."""
    if node["type"] == kind:
        return change(node)
    is_passed = node["type"] == "nullable" or (
        node["type"] == "function-before" and is_reading(node["function"]["function"])
    )
    found = _within(node["schema"], kind, change) if is_passed else None
    return found and {**node, "schema": found}
