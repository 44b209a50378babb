"""Models and schemas as rules see them: columns and relationships, inherited ones included.

A model is found by what its class descends from, over all files; its fields are read from its tree
when they are first asked for. Where a base cannot be resolved the model is `open`: it may have more
than can be seen, and rules that reason from what is missing must be silent.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from fieldstone.check import names
from fieldstone.check.facts import ClassFacts
from fieldstone.check.fields import Column, Relation, is_class_variable, target_of
from fieldstone.check.lookup import last_name
from fieldstone.check.modules import Module
from fieldstone.check.project import MODEL, Project

Part = TypeVar("Part", Column, Relation)


@dataclass(frozen=True)
class Model:
    """A class that SQLModel, SQLAlchemy's declarative base or Pydantic makes something of."""

    address: str
    project: Project = field(repr=False)

    @property
    def name(self) -> str:
        """The class's name."""
        return self.facts.name

    @property
    def facts(self) -> ClassFacts:
        """What its file tells of it; most questions need no tree."""
        return self.project.classes[self.address][1]

    @property
    def module(self) -> Module:
        """Its file; an empty one if that has changed since its facts were gathered."""
        facts, _ = self.project.classes[self.address]
        return self.project.module(facts) or Module(self.project, facts, "", ast.Module([], []))

    @property
    def node(self) -> ast.ClassDef:
        """Its statement."""
        missing = ast.ClassDef(self.name, [], [], [], [], lineno=1, col_offset=0, end_lineno=1)
        return self.module.class_node(self.name) or missing

    @cached_property
    def ancestry(self) -> tuple[str, ...]:
        """Itself and all above, nearest first."""
        return self.project.ancestry(self.address)

    @cached_property
    def sqlmodel(self) -> bool:
        """Whether it descends from SQLModel; `table=True` says so where a library stands between."""
        said = any(self.project.classes[a][1].table for a in self.ancestry if a in self.project.classes)
        return names.SQLMODEL in self.ancestry or self.fieldstone or said

    @cached_property
    def fieldstone(self) -> bool:
        """Whether it descends from Fieldstone's Model, which does without many of SQLModel's pitfalls."""
        return names.FIELDSTONE in self.ancestry

    @property
    def declarative(self) -> bool:
        """Whether it descends from a declarative base of SQLAlchemy."""
        return any(is_declarative(self.project, above) for above in self.ancestry)

    @property
    def schema(self) -> bool:
        """Whether it is validated data and no table."""
        return not self.table and (self.sqlmodel or "pydantic.BaseModel" in self.ancestry)

    @property
    def table(self) -> bool:
        """Whether rows are read into it."""
        answer, behind = self._table
        self.project.consulted |= behind
        return answer

    @cached_property
    def _table(self) -> tuple[bool, int]:
        return self.project.learn((MODEL, self.address, "table"), self._is_table, False)

    def _is_table(self) -> bool:
        known = [self.project.classes[a][1] for a in self.ancestry if a in self.project.classes]
        if self.sqlmodel:
            return any(facts.table for facts in known)
        return self.declarative and any(facts.tablename for facts in known) and not self.abstract

    @property
    def abstract(self) -> bool:
        """Whether it says that it is no table of its own."""
        return self.facts.abstract

    @cached_property
    def open(self) -> bool:
        """Whether something above it cannot be seen."""
        return "?" in self.ancestry or any(
            ":" not in above and above not in CLOSED for above in self.ancestry
        )

    @property
    def own_columns(self) -> dict[str, Column]:
        """The columns that its own body declares."""
        return self._read("own columns", self._own_columns)

    def _own_columns(self) -> dict[str, Column]:
        found = (column_of(self, statement) for statement in self.node.body)
        return {column.name: column for column in found if column}

    @property
    def own_relations(self) -> dict[str, Relation]:
        """The relationships that its own body declares."""
        return self._read("own relations", self._own_relations)

    def _own_relations(self) -> dict[str, Relation]:
        found = (relation_of(self, statement) for statement in self.node.body)
        return {relation.name: relation for relation in found if relation}

    @property
    def columns(self) -> dict[str, Column]:
        """All columns, those of its bases included."""
        return self._read("columns", self._columns)

    def _columns(self) -> dict[str, Column]:
        gathered: dict[str, Column] = {}
        for above in reversed(self.above):
            gathered.update(above.own_columns)
        return gathered

    @property
    def relations(self) -> dict[str, Relation]:
        """All relationships, those of its bases included."""
        return self._read("relations", self._relations)

    def _relations(self) -> dict[str, Relation]:
        gathered: dict[str, Relation] = {}
        for above in reversed(self.above):
            gathered.update(above.own_relations)
        return gathered

    def _read(self, part: str, read: Callable[[], dict[str, Part]]) -> dict[str, Part]:
        """Read part of it once, and note from which files that follows whenever it is asked for."""
        nothing: dict[str, Part] = {}
        return self.project.remember((MODEL, self.address, part), read, nothing)

    @property
    def above(self) -> list[Model]:
        """Itself and the project's classes above it, nearest first."""
        return [self, *(m for a in self.ancestry[1:] if (m := model(self.project, a)))]

    @property
    def tables_below(self) -> list[Model]:
        """The tables among itself and the classes below it."""
        below = [self.address, *self.project.descendants(self.address)]
        return [found for a in below if (found := model(self.project, a)) and found.table]

    @cached_property
    def tablename(self) -> str:
        """The name of its table; "?" where it is computed."""
        for above in self.above:
            declared = self.project.classes[above.address][1].tablename
            if declared:
                return declared
        return self.name.lower() if self.sqlmodel else "?"


CLOSED = frozenset(
    {
        names.SQLMODEL,
        names.FIELDSTONE,
        "pydantic.BaseModel",
        *names.DECLARATIVE,
        "sqlalchemy.orm.MappedAsDataclass",
        "sqlalchemy.ext.asyncio.AsyncAttrs",
        "typing.Generic",
        "abc.ABC",
        "object",
        "enum.Enum",
        "str",
    }
)


def model(project: Project, address: str | None) -> Model | None:
    """Find a class of the project by its address."""
    found = project.models.get(address)
    if found is None and address is not None and address in project.classes:
        found = project.models[address] = Model(address, project)
    return found


def table(project: Project, address: str | None) -> Model | None:
    """Find a table by its address."""
    found = model(project, address)
    return found if found and found.table else None


def tables(project: Project) -> list[Model]:
    """All tables of the project."""
    nothing: list[str] = []
    known = project.remember("tables", lambda: [a for a in project.classes if table(project, a)], nothing)
    return [found for address in known if (found := model(project, address))]


def is_declarative(project: Project, address: str) -> bool:
    """Whether a class, or what a name is bound to, is a declarative base of SQLAlchemy."""
    if address in names.DECLARATIVE:
        return True
    if ":" not in address:
        return False
    return project.remember(("declarative", address), lambda: is_base(project, address), False)


def is_base(project: Project, address: str) -> bool:
    """Whether what stands at an address of the project makes tables of the classes below it."""
    name = address.partition(":")[2]
    if address in project.classes:
        return decorated(project, address, name)
    module = project.module_of(address)
    for statement in module.bindings.get(name, ()) if module else ():
        value = getattr(statement, "value", None)
        if (
            isinstance(value, ast.Call)
            and module
            and (module.address(value.func) == "sqlalchemy.orm.declarative_base" or generates(value))
        ):
            return True
    return False


def generates(call: ast.Call) -> bool:
    """Whether a call is `registry.generate_base()`."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "generate_base"


def decorated(project: Project, address: str, name: str) -> bool:
    """Whether `@as_declarative()` makes a base of a class."""
    facts, _ = project.classes[address]
    if not any(target.endswith(".as_declarative") for target in facts.imports.values()):
        return False
    module = project.module(facts)
    node = module.class_node(name) if module else None
    return node is not None and any(last_name(d) == "as_declarative" for d in node.decorator_list)


def column_of(owner: Model, statement: ast.stmt) -> Column | None:
    """Read a statement of a class body as a column or field."""
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            maker = owner.module.address(value.func) if isinstance(value, ast.Call) else None
            if maker in names.RELATIONSHIPS or name.startswith("__") or is_class_variable(annotation):
                return None
            if maker in PRIVATE:
                return None
            described = maker if maker in names.FIELDS | names.COLUMNS | PYDANTIC else None
            return Column(name, statement, annotation, value, described, owner.address, owner.module)
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func) as value):
            maker = owner.module.address(func)
            if maker in names.COLUMNS | names.FIELDS:
                return Column(name, statement, None, value, maker, owner.address, owner.module)
        case _:
            pass
    return None


PYDANTIC = frozenset({"pydantic.Field"})
PRIVATE = frozenset({"pydantic.PrivateAttr", "sqlalchemy.ext.associationproxy.association_proxy"})


def relation_of(owner: Model, statement: ast.stmt) -> Relation | None:
    """Read a statement of a class body as a relationship, a declared_attr included."""
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.Call() as value):
            pass
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as value):
            annotation = None
        case ast.FunctionDef(
            name=name, returns=annotation, body=[*_, ast.Return(value=ast.Call() as value)]
        ) if any(
            (names.dotted(d) or "").partition(".")[0] == "declared_attr" for d in statement.decorator_list
        ):
            pass
        case _:
            return None
    if owner.module.address(value.func) not in names.RELATIONSHIPS:
        return None
    spelled, many = target_of(annotation)
    given = names.argument(value, 0, "argument")
    if given is not None:
        inner = given.body if isinstance(given, ast.Lambda) else given
        text = names.literal(inner)
        spelled = text if isinstance(text, str) else names.dotted(inner) or spelled
        if annotation is None:
            many = names.literal(names.keyword(value, "uselist")) is not False
            many = many and not refers_to(owner, find_class(owner, spelled))
    return Relation(name, statement, value, find_class(owner, spelled), many, owner.address, owner.module)


def refers_to(owner: Model, address: str | None) -> bool:
    """Whether a class has a foreign key to another, or one whose target cannot be seen."""
    target = model(owner.project, address)
    own = [column.foreign_key for column in owner.columns.values() if column.foreign_key]
    if target is None or target.address == owner.address:
        return False
    return any(key == "?" or key.rpartition(".")[0].rpartition(".")[2] == target.tablename for key in own)


def find_class(owner: Model, spelled: str | None) -> str | None:
    """Find the class that a relationship names; by its name alone where it is not imported."""
    if not spelled:
        return None
    address = owner.module.address(spelled)
    if address in owner.project.classes:
        return address
    last = spelled.rpartition(".")[2]
    named = owner.project.classes_named.get(last, ())
    rows = [found for a in named if (found := table(owner.project, a))]
    return rows[0].address if len(rows) == 1 else None
