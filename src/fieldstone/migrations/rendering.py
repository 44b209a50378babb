"""How operations are written into a revision file: with what SQLAlchemy itself has, and nothing else.

A revision is history. A type of the project or of Fieldstone would have to stand where it is for
ever, so what is written is the plain type that the database is told: `sa.String(length=80)` for an
AutoString, `sa.DateTime(timezone=True)` for a UTCDateTime. Both databases are told theirs in one
file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from alembic.autogenerate import render_op_text, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, DateTime, Enum, String, types, util
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import CompileError
from sqlalchemy.types import TypeDecorator, TypeEngine

from fieldstone.migrations import canonical

STEPS = "from fieldstone.migrations import steps"

SQLITE: Any = getattr(sqlite, "dialect")()  # noqa: B009  # as below
POSTGRESQL: Any = getattr(postgresql, "dialect")()  # noqa: B009  # SQLAlchemy gives it no type
DIALECTS: dict[str, Any] = {"sqlite": SQLITE, "postgresql": POSTGRESQL}


class CallOp(ops.MigrateOperation):
    """Lines of Python in a revision, such as a call of one of our steps."""

    def __init__(self, *lines: str, imports: Sequence[str] = (STEPS,)) -> None:
        self.lines = lines
        self.imports = tuple(imports)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("call", *self.lines)


@renderers.dispatch_for(CallOp)
def _render_call(context: AutogenContext, operation: CallOp) -> list[str]:
    context.imports.update(operation.imports)
    return list(operation.lines)


class TypedCallOp(CallOp):
    """A call of a step whose last argument is a type, which is written when the file is."""

    def __init__(self, start: str, type_: TypeEngine[Any]) -> None:
        super().__init__(start)
        self.type_ = type_


@renderers.dispatch_for(TypedCallOp)
def _render_typed_call(context: AutogenContext, operation: TypedCallOp) -> list[str]:
    context.imports.update(operation.imports)
    return [f"{operation.lines[0]}{_render_type(operation.type_, context)})"]


class ConvertOp(ops.MigrateOperation):
    """A change of type with the conversion that PostgreSQL is told, which Alembic would not write."""

    def __init__(self, change: ops.AlterColumnOp, using: str) -> None:
        self.change = change
        self.using = using


@renderers.dispatch_for(ConvertOp)
def _render_conversion(context: AutogenContext, operation: ConvertOp) -> str:
    written = render_op_text(context, operation.change)
    return f"{written.removesuffix(')')},\n{' ' * 11}postgresql_using={operation.using!r})"


class NamingBatchOp(ops.ModifyTableOps):
    """A batch that meets constraints which SQLite keeps without a name."""


def frozen(type_: Any) -> TypeEngine[Any]:
    """Give the type as databases are told it, free of what belongs to a project or to SQLModel."""
    plain, own = _pair(type_)
    return plain if own is None else plain.with_variant(own, "postgresql")


def _pair(type_: Any) -> tuple[TypeEngine[Any], TypeEngine[Any] | None]:
    """Give the type for SQLite, and PostgreSQL's where that is another."""
    plain, own = _plain(type_, SQLITE), _plain(type_, POSTGRESQL)
    same = _written(plain, POSTGRESQL) == _written(own, POSTGRESQL)
    return (plain, None) if same else (plain, own)


def _plain(type_: Any, dialect: Any) -> TypeEngine[Any]:
    variant = (type_._variant_mapping or {}).get(dialect.name)
    if variant is not None:
        return _plain(variant, dialect)
    if type_._variant_mapping:
        type_ = type_.copy()
        type_._variant_mapping = util.EMPTY_DICT
    if isinstance(type_, types.Interval):
        return type_
    if isinstance(type_, TypeDecorator):
        return _plain(type_.load_dialect_impl(dialect), dialect)
    if isinstance(type_, Enum):
        if dialect.name == "postgresql" and type_.native_enum and type_.name:
            return postgresql.ENUM(*type_.enums, name=type_.name, schema=type_.schema, create_type=False)
        return String(type_.length)
    return _generic(type_, dialect)


def _generic(type_: TypeEngine[Any], dialect: Any) -> TypeEngine[Any]:
    """Give types that a dialect has specialised, or that were read from one, their general form."""
    if type(type_).__name__.startswith("_") and type(type_).__module__.startswith("sqlalchemy."):
        public = next(kind for kind in type(type_).__mro__ if not kind.__name__.startswith("_"))
        type_ = type_.adapt(public)
    module = type(type_).__module__
    if module.startswith("sqlalchemy.") and (module.startswith("sqlalchemy.dialects.") or _shouts(type_)):
        for general in _GENERAL:
            if isinstance(type_, general):
                options = {
                    name: getattr(type_, name)
                    for name in ("length", "timezone")
                    if getattr(type_, name, None)
                }
                found: TypeEngine[Any] = general(**options)
                own = POSTGRESQL if ".postgresql" in module else dialect
                if _written(found, own) == _written(type_, own):
                    return found
    return type_


def _shouts(type_: TypeEngine[Any]) -> bool:
    """Say whether this is one of SQLAlchemy's types that name SQL's own, as reflection gives them."""
    return type(type_).__name__.isupper()


_GENERAL: tuple[Any, ...] = (
    types.JSON,
    DateTime,
    types.Date,
    types.Time,
    types.Uuid,
    types.Boolean,
    types.Text,
    String,
    types.BigInteger,
    types.SmallInteger,
    types.Integer,
    types.LargeBinary,
)


def _written(type_: TypeEngine[Any], dialect: Any) -> str:
    try:
        return str(type_.compile(dialect=dialect))
    except CompileError:  # a type that only the other database has
        return f"{type_!r} is not of {dialect.name}"


def render_item(kind: str, item: Any, context: AutogenContext) -> Any:
    """Write types and CHECKs our way; False leaves the rest to Alembic."""
    if kind == "type":
        return _render_type(item, context)
    if kind == "check" and isinstance(item, CheckConstraint):
        return _render_check(item, context)
    return False


def _render_type(type_: Any, context: AutogenContext) -> str:
    plain, own = _pair(type_)
    written = _render_plain(plain, context)
    return written if own is None else f"{written}.with_variant({_render_plain(own, context)}, 'postgresql')"


def _render_plain(type_: TypeEngine[Any], context: AutogenContext) -> str:
    module = type(type_).__module__
    if module.startswith("sqlalchemy.dialects."):
        dialect_name = module.split(".")[2]
        context.imports.add(f"from sqlalchemy.dialects import {dialect_name}")
        if isinstance(type_, postgresql.ARRAY):
            return f"postgresql.ARRAY({_render_plain(type_.item_type, context)})"
        return f"{dialect_name}.{_repr(type_)}"
    if module.startswith("sqlalchemy."):
        return f"sa.{_repr(type_)}"
    # A type of another library (a vector, say) is what the database is told, so it must be imported.
    context.imports.add(f"import {module}")
    return f"{module}.{type_!r}"


def _repr(type_: TypeEngine[Any]) -> str:
    if isinstance(type_, postgresql.ENUM):
        return f"ENUM({', '.join(map(repr, type_.enums))}, name={type_.name!r}, create_type=False)"
    if isinstance(type_, types.JSON):
        return f"{type(type_).__name__}()"  # its options are about Python's None and SQLAlchemy's own casts
    return repr(type_)


def _render_check(constraint: CheckConstraint, context: AutogenContext) -> str:
    options = {"literal_binds": True, "include_table": False}
    said = constraint.sqltext.compile(dialect=context.dialect, compile_kwargs=options)
    text = str(said).replace("%%", "%")
    name = _final_name(constraint, context)
    named = f", name=op.f({name!r})" if name else ""
    dialect = _meant_for(constraint, name, context)
    only = f".ddl_if(dialect={dialect!r})" if dialect is not None else ""
    return f"sa.CheckConstraint({text!r}{named}){only}"


def _meant_for(constraint: CheckConstraint, name: str | None, context: AutogenContext) -> Any:
    """Find the kind of database that a CHECK is meant for; Alembic's copy of it does not know."""
    for table in context.table_key_to_table.values():
        if table.name == constraint.table.name:
            for each in table.constraints:
                if isinstance(each, CheckConstraint) and each._ddl_if and _final_name(each, context) == name:
                    return each._ddl_if.dialect
    return None


def _final_name(constraint: CheckConstraint, context: AutogenContext) -> str | None:
    formatted = context.dialect.identifier_preparer.format_constraint(constraint)
    return None if formatted is None else canonical.unquoted(str(formatted))


class Writer:
    """Write operations as the body of a function, and collect what the file must import."""

    def __init__(self, connection: Connection, metadata: Any) -> None:
        context = MigrationContext.configure(connection)
        options = {
            "sqlalchemy_module_prefix": "sa.",
            "alembic_module_prefix": "op.",
            "render_item": render_item,
            "render_as_batch": True,
            "user_module_prefix": None,
        }
        self.context = AutogenContext(context, metadata=metadata, opts=options, autogenerate=False)

    @property
    def imports(self) -> list[str]:
        return sorted(self.context.imports)

    def body(self, operations: Sequence[ops.MigrateOperation]) -> str:
        lines: list[str] = []
        for operation in operations:
            lines += self._lines(operation)
        return "\n".join(lines) or "pass"

    def _lines(self, operation: ops.MigrateOperation) -> list[str]:
        written = render_op_text(self.context, operation)
        written = written.replace(", schema=None) as batch_op", ") as batch_op")
        if self.context.dialect.paramstyle in ("format", "pyformat"):
            written = written.replace("%%", "%")  # as it was told to the driver, which the file is not
        if isinstance(operation, NamingBatchOp):
            self.context.imports.add("from fieldstone.models import NAMING_CONVENTION")
            written = written.replace(
                ") as batch_op", ", naming_convention=NAMING_CONVENTION) as batch_op", 1
            )
        return _indented(written.rstrip().splitlines())


def _indented(lines: Sequence[str]) -> list[str]:
    """Indent what stands in a `with` and inside brackets, as a formatter would."""
    inside = len(lines) > 1 and lines[0].startswith("with ")
    found: list[str] = []
    depth = 0
    for number, line in enumerate(lines):
        stripped = line.strip()
        closing = stripped[:1] in (")", "]", "}")
        level = (1 if inside and number else 0) + max(depth - (1 if closing else 0), 0)
        found.append("    " * level + stripped)
        depth += _opened(stripped)
    return found


def _opened(line: str) -> int:
    outside = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "", line)
    return sum(outside.count(mark) for mark in "([{") - sum(outside.count(mark) for mark in ")]}")
