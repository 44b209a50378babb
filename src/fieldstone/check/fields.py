"""Columns and relationships as a class body declares them."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from fieldstone.check import names
from fieldstone.check.modules import Module

# Kinds of `lazy=` under which an attribute is there without a statement of its own.
EAGER = frozenset({"selectin", "joined", "subquery", "immediate", "False", "select_in"})
# Kinds under which an access does not load silently.
EXPLICIT = frozenset({"raise", "raise_on_sql", "noload", "dynamic", "write_only", "None"})


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a model or schema that is no relationship."""

    name: str
    node: ast.AnnAssign | ast.Assign
    annotation: ast.expr | None
    value: ast.expr | None
    maker: str | None
    owner: str
    module: Module

    @property
    def call(self) -> ast.Call | None:
        """The call of Field, Column or mapped_column that describes it."""
        return self.value if isinstance(self.value, ast.Call) and self.maker else None

    def keyword(self, name: str) -> ast.expr | None:
        """What the describing call says under a name."""
        return names.keyword(self.call, name) if self.call else None

    @property
    def sa_column(self) -> ast.Call | None:
        """The Column that a Field carries."""
        given = self.keyword("sa_column")
        shown = isinstance(given, ast.Call) and self.module.address(given.func) in names.COLUMNS
        return given if isinstance(given, ast.Call) and shown else None

    @property
    def primary_key(self) -> bool:
        """Whether it says that it is (part of) the primary key."""
        return any(
            call is not None and names.literal(names.keyword(call, "primary_key")) is True
            for call in (self.call, self.sa_column)
        )

    @property
    def foreign_key(self) -> str | None:
        """The target of its foreign key, as text; "?" where it is computed; None for none."""
        given = self.keyword("foreign_key")
        if given is not None:
            value = names.literal(given)
            return value if isinstance(value, str) else None if isinstance(given, ast.Constant) else "?"
        for call in (self.call, self.sa_column):
            for inner in call.args if call else ():
                if isinstance(inner, ast.Call) and self.module.address(inner.func) == "sqlalchemy.ForeignKey":
                    value = names.literal(inner.args[0]) if inner.args else None
                    return value if isinstance(value, str) else "?"
        return None

    @property
    def optional(self) -> bool:
        """Whether its annotation admits None."""
        return self.annotation is not None and admits_none(self.annotation)

    @property
    def has_default(self) -> bool:
        """Whether validation can do without a value."""
        if self.maker in names.FIELDS and self.call is not None:
            if self.call.args:
                return not is_ellipsis(self.call.args[0])
            given = names.keyword(self.call, "default")
            return (
                (given is not None and not is_ellipsis(given))
                or names.keyword(self.call, "default_factory") is not None
                or any(k.arg is None for k in self.call.keywords)
            )
        return self.value is not None and not is_ellipsis(self.value)


@dataclass(frozen=True, slots=True)
class Relation:
    """A relationship of a model."""

    name: str
    node: ast.stmt
    call: ast.Call
    target: str | None
    many: bool
    owner: str
    module: Module

    def option(self, name: str) -> ast.expr | None:
        """What is said about the relationship, directly or through sa_relationship_kwargs."""
        given = names.keyword(self.call, name)
        if given is not None:
            return given
        extra = names.keyword(self.call, "sa_relationship_kwargs")
        if isinstance(extra, ast.Dict):
            for key, value in zip(extra.keys, extra.values, strict=True):
                if names.literal(key) == name:
                    return value
        if isinstance(extra, ast.Call) and names.dotted(extra.func) == "dict":
            return names.keyword(extra, name)
        return None

    @property
    def doubtful(self) -> bool:
        """Whether part of what is said about it cannot be seen."""
        extra = names.keyword(self.call, "sa_relationship_kwargs")
        hidden = extra is not None and not isinstance(extra, ast.Dict | ast.Call)
        return names.spread(self.call) or hidden or names.keyword(self.call, "sa_relationship") is not None

    @property
    def back_populates(self) -> str | None:
        """The attribute of the other side that it names."""
        value = names.literal(self.option("back_populates"))
        return value if isinstance(value, str) else None

    @property
    def lazy(self) -> str | None:
        """How it is loaded; None if that cannot be seen."""
        if self.doubtful:
            return None
        given = self.option("lazy")
        if given is None:
            return "select"
        return str(given.value) if isinstance(given, ast.Constant) else None


def target_of(annotation: ast.expr | None) -> tuple[str | None, bool]:
    """Read the class and whether there are many of it from a relationship's annotation."""
    match annotation:
        case None:
            return None, False
        case ast.Constant(value=str() as text):
            try:
                return target_of(ast.parse(text.strip(), mode="eval").body)
            except SyntaxError:
                return None, False
        case ast.Subscript(value=outer, slice=inner):
            wrapper = (names.dotted(outer) or "").rpartition(".")[2]
            if wrapper in {"Mapped", "Optional", "WriteOnlyMapped", "DynamicMapped", "declared_attr"}:
                spelled, many = target_of(inner)
                return spelled, many or wrapper in {"WriteOnlyMapped", "DynamicMapped"}
            if wrapper == "Union" and isinstance(inner, ast.Tuple):
                return next(
                    (t for e in inner.elts if (t := target_of(e))[0] not in {None, "None"}), (None, False)
                )
            if wrapper in {"dict", "Dict"} and isinstance(inner, ast.Tuple) and len(inner.elts) == 2:
                return target_of(inner.elts[1])[0], True
            return target_of(inner)[0], True
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            found = target_of(left)
            return found if found[0] else target_of(right)
        case _:
            return names.dotted(annotation), False


def is_class_variable(annotation: ast.expr) -> bool:
    """Whether an annotation says ClassVar."""
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return (names.dotted(outer) or "").rpartition(".")[2] == "ClassVar"


def is_ellipsis(node: ast.expr) -> bool:
    """Whether an expression is `...`."""
    return isinstance(node, ast.Constant) and node.value is ...


def admits_none(annotation: ast.expr) -> bool:
    """Whether an annotation admits None at its top."""
    match annotation:
        case ast.Constant(value=None):
            return True
        case ast.Constant(value=str() as text):
            try:
                return admits_none(ast.parse(text.strip(), mode="eval").body)
            except SyntaxError:
                return False
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return admits_none(left) or admits_none(right)
        case ast.Subscript(value=outer, slice=inner):
            wrapper = (names.dotted(outer) or "").rpartition(".")[2]
            if wrapper == "Union" and isinstance(inner, ast.Tuple):
                return any(admits_none(element) for element in inner.elts)
            if wrapper in {"Annotated", "Mapped"}:
                return admits_none(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
            return wrapper == "Optional"
        case _:
            return False
