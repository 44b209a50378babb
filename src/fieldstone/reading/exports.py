"""Schema objects as the bytes of a file: CSV (RFC 4180) and NDJSON, in UTF-8, a chunk at a time.

Pure: objects go in, from a stream, a list or anything else that yields them, and chunks come out, for a
file, a terminal or a streamed response. Values and names are those of a JSON response.

CSV has rows and cells and nothing below them. So the fields of a nested object become columns of
their own (`project.name`), while a collection, which no number of columns can hold, is refused before
the first row is read. The columns follow from the schema alone: a header stands above no rows as well.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, overload

from pydantic import BaseModel, PlainSerializer, RootModel, WrapSerializer

from fieldstone.errors import SchemaError

SchemaT = TypeVar("SchemaT", bound=BaseModel)
Path = tuple[str, ...]
Line = Callable[[Any], bytes]

# A chunk costs a write to a socket or a turn of the event loop, a row alone is too little for one.
CHUNK = 64 * 1024

# The last four are the full-width forms, which spreadsheets in East Asian locales read alike.
_RUNS_IN_A_SPREADSHEET = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


@overload
def to_csv(
    objects: Iterable[SchemaT], schema: type[SchemaT], *, formulas: bool = False
) -> Generator[bytes, None, None]: ...
@overload
def to_csv(
    objects: AsyncIterable[SchemaT], schema: type[SchemaT], *, formulas: bool = False
) -> AsyncGenerator[bytes, None]: ...
def to_csv(objects: Any, schema: type[Any], *, formulas: bool = False) -> Any:
    """Write objects as CSV, with a header; null is an empty cell.

    Text that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, "CSV
    Injection"), unless `formulas=True`. Closing the generator closes `objects`.
    Raises SchemaError for a schema that does not fit into cells.
    """
    paths = tuple(_paths(schema, (), ()))
    dump = schema.__pydantic_serializer__.to_python

    def line(one: Any) -> bytes:
        values = dump(one, mode="json", by_alias=True, warnings=False)
        return _csv_line(_cell(_at(values, path), formulas) for path in paths)

    return _written(objects, line, head=_csv_line(columns_of(schema)))


def columns_of(schema: type[BaseModel]) -> tuple[str, ...]:
    """Name the columns that `to_csv` writes. Raises SchemaError for a schema that does not fit into cells."""
    return tuple(".".join(path) for path in _paths(schema, (), ()))


@overload
def to_ndjson(objects: Iterable[BaseModel]) -> Generator[bytes, None, None]: ...
@overload
def to_ndjson(objects: AsyncIterable[BaseModel]) -> AsyncGenerator[bytes, None]: ...
def to_ndjson(objects: Any) -> Any:
    """Write objects as NDJSON: one JSON object to a line. Closing the generator closes `objects`."""
    return _written(objects, _json_line)


def _json_line(one: BaseModel) -> bytes:
    return one.__pydantic_serializer__.to_json(one, by_alias=True, warnings=False) + b"\n"


# Gathering lines into chunks


def _written(objects: Any, line: Line, head: bytes = b"") -> Any:
    if isinstance(objects, AsyncIterable):
        return _chunks_async(objects, line, head)
    return _chunks(objects, line, head)


def _chunks(objects: Iterable[Any], line: Line, head: bytes) -> Generator[bytes, None, None]:
    chunk = bytearray(head)
    try:
        for one in objects:
            chunk += line(one)
            if len(chunk) >= CHUNK:
                yield bytes(chunk)
                chunk.clear()
        if chunk:
            yield bytes(chunk)
    finally:
        if isinstance(objects, Generator):
            objects.close()


async def _chunks_async(objects: AsyncIterable[Any], line: Line, head: bytes) -> AsyncGenerator[bytes, None]:
    chunk = bytearray(head)
    try:
        async for one in objects:
            chunk += line(one)
            if len(chunk) >= CHUNK:
                yield bytes(chunk)
                chunk.clear()
        if chunk:
            yield bytes(chunk)
    finally:
        if isinstance(objects, AsyncGenerator):
            await objects.aclose()


# Cells


def _csv_line(cells: Iterable[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().encode()


def _at(values: Any, path: Path) -> Any:
    for name in path:
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


def _cell(value: Any, formulas: bool) -> Any:
    if isinstance(value, bool | list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # as in JSON
    if formulas or not isinstance(value, str) or not value.startswith(_RUNS_IN_A_SPREADSHEET):
        return value
    return value if _PLAIN_NUMBER.fullmatch(value) else f"'{value}"  # a Decimal is text in JSON


# Columns


def _paths(schema: type[BaseModel], above: Path, within: tuple[type[BaseModel], ...]) -> Iterator[Path]:
    """Yield the way to each value that a cell can hold. Raises SchemaError where a schema has others."""
    if schema in within:
        raise SchemaError(f"{_where(within[0], above)} contains itself, so its columns never end. {_REMEDY}")
    if schema.__pydantic_decorators__.model_serializers:
        raise SchemaError(
            f"{schema.__name__} has a serializer of its own, which hides its columns. {_REMEDY}"
        )
    schema.model_rebuild()
    for name, annotation in _fields(schema):
        path, inside = (*above, name), (*within, schema)
        nested = _nested(annotation, _where(inside[0], path))
        if nested is None:
            yield path
        else:
            yield from _paths(nested, path, inside)


def _fields(schema: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """Yield each field by its name in JSON with its type; `str` where a serializer makes the value."""
    serialized = _serialized_names(schema)
    for name, field in schema.model_fields.items():
        if field.exclude is not True:
            own = name in serialized or any(
                isinstance(one, PlainSerializer | WrapSerializer) for one in field.metadata
            )
            yield field.serialization_alias or name, str if own else field.annotation
    for name, computed in schema.model_computed_fields.items():
        yield computed.alias or name, str if name in serialized else computed.return_type


def _serialized_names(schema: type[BaseModel]) -> set[str]:
    serializers = schema.__pydantic_decorators__.field_serializers.values()
    return {name for one in serializers for name in one.info.fields}


def _nested(annotation: Any, where: str) -> type[BaseModel] | None:
    """Give the schema of a nested object, or None for a plain value."""
    if hasattr(annotation, "__value__"):  # a type alias
        return _nested(annotation.__value__, where)
    origin = get_origin(annotation)
    if origin is Annotated:
        return _nested(get_args(annotation)[0], where)
    if origin in (Union, UnionType):
        return _nested_of_union([one for one in get_args(annotation) if one is not NoneType], where)
    held = origin or annotation
    if not isinstance(held, type):
        return None
    if issubclass(held, RootModel):
        return _nested(held.model_fields["root"].annotation, where)
    if issubclass(held, BaseModel):
        return held
    if issubclass(held, Iterable) and not issubclass(held, str | bytes):
        raise SchemaError(f"{where} holds many values, and a CSV cell holds one. {_REMEDY}")
    return None


def _nested_of_union(members: list[Any], where: str) -> type[BaseModel] | None:
    nested = [_nested(one, where) for one in members]
    if len(members) > 1 and any(nested):
        raise SchemaError(f"{where} may have one of several shapes, and columns have one. {_REMEDY}")
    return nested[0]


_REMEDY = (
    "Export a schema without it, give it a field_serializer that makes text of it, or write NDJSON "
    "with to_ndjson(...)."
)


def _where(schema: type[BaseModel], path: Path) -> str:
    return f"{schema.__name__}.{'.'.join(path)}"
