"""Defaults of columns: values that were meant to be made for each row."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.findings import Edit, Fix, Problem, Repair, Severity
from fieldstone.check.lookup import last_name
from fieldstone.check.modules import Module
from fieldstone.check.registry import File, rule
from fieldstone.check.repairs import imported
from fieldstone.check.trees import walk

CLOCKS = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "time.time",
        "time.time_ns",
        "uuid.uuid1",
        "uuid.uuid4",
        "uuid.uuid6",
        "uuid.uuid7",
        "django.utils.timezone.now",
        "pendulum.now",
        "arrow.utcnow",
        "arrow.now",
        "secrets.token_hex",
        "secrets.token_urlsafe",
        "secrets.token_bytes",
        "random.random",
        "random.randint",
        "os.urandom",
    }
)
NAIVE = frozenset({"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"})
# The version of SQLModel from which a plain datetime is a column that refuses naive values.
AWARE_ONLY = (0, 0, 45)
# What is done with a clock's value without changing that it was read once.
PASSING = frozenset({"str", "int", "float"})
DESCRIBING = names.FIELDS | names.COLUMNS | frozenset({"pydantic.Field"})


@rule("FS013", "eager-default", ast.Call, severity=Severity.ERROR, repair=Repair.SAFE, calls=DESCRIBING)
def eager_default(call: ast.Call, file: File) -> Iterator[Problem]:
    """A default is computed once, when the module is imported.

    `default=datetime.now(UTC)` calls the clock at import; every row then gets the moment at which the
    process started, and `default=uuid4()` gives every row the same key, so that the second insert
    raises IntegrityError. The same goes for `onupdate=`, and inside `sa_column_kwargs`.

    Bad:
        created_at: datetime = Field(default=datetime.now(UTC))

    Good:
        created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    Fine:
    `func.now()` is SQL that the database evaluates for each row.
    """
    maker = file.module.address(call.func)
    if maker not in DESCRIBING:
        return
    each = "instance" if maker == "pydantic.Field" else "row"
    for keyword in keywords_of(call, file.module):
        if clock_read(keyword.value, file.module):
            if maker == "pydantic.Field" and made_once(call, file):
                return
            zoned = zone_of(call, file)
            made = factory(keyword.value, file.module, zoned is not None)
            if made is None:
                continue
            text, edits = made
            name = "default_factory=" if renamed(keyword, maker) else f"{keyword.arg}=" if keyword.arg else ""
            place = keyword if keyword.arg else keyword.value
            yield Problem(
                keyword.value,
                f"`{file.module.text(keyword.value)}` runs once, at import: every {each} gets that value.",
                f"Write `{name}{text}`.",
                Fix((*edits, file.module.replace(place, f"{name}{text}")), safe=zoned is not False),
            )


def made_once(call: ast.Call, file: File) -> bool:
    """Whether the class around a field is one of settings, of which there is one instance."""
    around = next((above for above in file.module.above(call) if isinstance(above, ast.ClassDef)), None)
    if around is None:
        return False
    ancestry = file.project.ancestry(f"{file.module.facts.module}:{around.name}")
    return "ettings" in around.name or any(above.endswith("BaseSettings") for above in ancestry)


def zone_of(call: ast.Call, file: File) -> bool | None:
    """Whether the column surely refuses times without zone; False if it may; None if it wants none."""
    typed = [given for given in (names.keyword(call, "sa_type"), names.keyword(call, "sa_column")) if given]
    for node in (inner for part in (*typed, *call.args) for inner in walk(part)):
        if isinstance(node, ast.Call) and names.literal(names.keyword(node, "timezone")) is True:
            return False
    newer = file.project.versions.at_least("sqlmodel", *AWARE_ONLY)
    return True if newer and not typed and file.module.address(call.func) == names.FIELD else None


def keywords_of(call: ast.Call, module: Module) -> Iterator[ast.keyword]:
    """The keywords `default` and `onupdate`, also of what is passed on to the column."""
    for keyword in call.keywords:
        if keyword.arg in {"default", "onupdate"}:
            yield keyword
        if keyword.arg == "sa_column_kwargs" and isinstance(keyword.value, ast.Dict):
            for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                if names.literal(key) in {"default", "onupdate"}:
                    yield ast.keyword(arg=None, value=value)


def clock_read(node: ast.expr, module: Module) -> bool:
    """Whether an expression reads a clock or makes a key, now."""
    if not isinstance(node, ast.Call):
        return False
    if module.address(node.func) in CLOCKS:
        return True
    inner = node.func.value if isinstance(node.func, ast.Attribute) else None
    if inner is not None and clock_read(inner, module):
        return True
    return names.dotted(node.func) in PASSING and any(clock_read(given, module) for given in node.args)


def factory(value: ast.expr, module: Module, zoned: bool) -> tuple[str, tuple[Edit, ...]] | None:
    """The callable that makes the value when it is called, and the import that it needs.

    Where the column wants a zone, a clock without one is given UTC: its own value would be refused.
    """
    call = value if isinstance(value, ast.Call) else None
    bare = call is not None and not call.args and not call.keywords
    if (
        zoned
        and bare
        and call
        and module.address(call.func) in NAIVE
        and isinstance(call.func, ast.Attribute)
    ):
        known = imported("datetime.UTC", module) if "datetime.UTC" in module.facts.imports.values() else None
        zone = known or imported("datetime.timezone", module)
        text = zone and (zone[0] if known else f"{zone[0]}.utc")
        return (f"lambda: {module.text(call.func.value)}.now({text})", zone[1]) if zone else None
    if bare and call and names.dotted(call.func):
        return module.text(call.func), ()
    return f"lambda: {module.text(value)}", ()


def renamed(keyword: ast.keyword, maker: str | None) -> bool:
    """Whether the keyword has to become `default_factory`."""
    return keyword.arg == "default" and maker in names.FIELDS | {"pydantic.Field"}


@rule("FS017", "shared-mutable-column-default", ast.Call, repair=Repair.SAFE, calls=names.COLUMNS)
def shared_mutable_column_default(call: ast.Call, file: File) -> Iterator[Problem]:
    """A dict or list is the default of a column of SQLAlchemy.

    All rows that are made without a value share the one object: what is put into it for one row is in
    every later row as well.

    Bad:
        settings: Mapped[dict] = mapped_column(JSON, default={})

    Good:
        settings: Mapped[dict] = mapped_column(JSON, default=dict)

    Fine:
    `Field(default={})` of SQLModel, which copies the default for each instance, and columns of type
    `MutableDict.as_mutable(JSON)`, or a type given to `associate_with`, which make a dict of their own.
    """
    given = names.keyword(call, "default")
    if not isinstance(given, ast.Dict | ast.List | ast.Set) or any(map(copies, call.args)):
        return
    if file.module.address(call.func) in names.COLUMNS and makes_rows(call, file.module):
        made = maker_of(given, file.module)
        yield Problem(
            given,
            "All rows share this one object: what is put into it for one shows up in later ones.",
            f"Write `default={made}`.",
            Fix((file.module.replace(given, made),), safe=True),
        )


def makes_rows(call: ast.Call, module: Module) -> bool:
    """Whether rows are made with a column's default as it is: Alembic asks for none, some types copy it."""
    around = (above for above in module.above(call) if isinstance(above, ast.Call))
    described = any(last_name(above) in {"create_table", "add_column"} for above in around)
    return not described and "associate_with(" not in module.code


def copies(node: ast.expr) -> bool:
    """Whether a column's type makes its own object of what it is given."""
    return isinstance(node, ast.Call) and last_name(node) == "as_mutable"


def maker_of(given: ast.Dict | ast.List | ast.Set, module: Module) -> str:
    """What makes such an object anew."""
    if isinstance(given, ast.Dict) and not given.keys:
        return "dict"
    return "list" if isinstance(given, ast.List) and not given.elts else f"lambda: {module.text(given)}"
