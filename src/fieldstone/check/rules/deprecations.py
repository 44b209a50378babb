"""Names of yesterday that still work, with a warning."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Called
from fieldstone.check.findings import Edit, Fix, Problem, Repair, Span
from fieldstone.check.lookup import method_of
from fieldstone.check.models import Model, model
from fieldstone.check.modules import Function
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.routes import serves
from fieldstone.check.values import Instance, Named, Object

ON_INSTANCES = {"dict": "model_dump", "json": "model_dump_json", "copy": "model_copy"}
ON_CLASSES = {"from_orm": "model_validate", "parse_obj": "model_validate", "parse_raw": "model_validate_json"}
# Arguments that the method of today does not take.
GONE = frozenset(
    {
        "encoder",
        "models_as_dict",
        "skip_defaults",
        "ensure_ascii",
        "sort_keys",
        "separators",
        "default",
        "content_type",
        "encoding",
        "proto",
        "allow_pickle",
    }
)
NOT_COPIED = frozenset({"include", "exclude"})


@rule("FS408", "pydantic-v1-api", Called, repair=Repair.SAFE, calls={*ON_INSTANCES, *ON_CLASSES})
def pydantic_v1_api(call: Called, file: File) -> Iterator[Problem]:
    """A method of Pydantic 1 is called on a model or schema of SQLModel.

    It works with a DeprecationWarning, which fails tests that turn warnings into errors, and Pydantic
    says that it will be removed.

    Bad:
        task = Task.from_orm(payload)
        return task.dict()

    Good:
        task = Task.model_validate(payload)
        return task.model_dump()

    Fine:
    Classes with a method of that name of their own, and projects that use Pydantic 1.
    """
    versions = file.project.versions
    if versions.at_least("pydantic", 2) is False or versions.at_least("sqlmodel", 0, 0, 14) is False:
        return
    today, known = renamed(call, file)
    if today is None or known is None or not isinstance(call.node.func, ast.Attribute):
        return
    func = call.node.func
    yield Problem(
        call.node,
        f"`{known.name}.{func.attr}` is of Pydantic 1: it gives a DeprecationWarning, and will be removed.",
        f"Write `{file.module.text(func.value)}.{today}(...)`.",
        None if refused(call.node, func.attr) else Fix((respelled(func, today, file),), safe=True),
    )


def renamed(call: Called, file: File) -> tuple[str | None, Model | None]:
    """What the method is called today, and the model it is called on."""
    method = call.method or ""
    match call.receiver:
        case Instance() as instance:
            thing = call.state.thing(instance)
            today, address = ON_INSTANCES.get(method), thing.model if thing else None
        case Object(address=found):
            today, address = ON_INSTANCES.get(method), found
        case Named(address=found):
            today, address = ON_CLASSES.get(method), found
        case _:
            return None, None
    known = model(file.project, address) if today else None
    if known is None or not known.sqlmodel or known.open or method in known.columns | known.relations:
        return None, None
    return (None, None) if method_of(file.project, known.address, method) else (today, known)


def refused(call: ast.Call, method: str) -> bool:
    """Whether the method of today may not take the arguments."""
    gone = GONE | NOT_COPIED if method == "copy" else GONE
    return any(k.arg is None or k.arg in gone for k in call.keywords) or (
        method in ON_INSTANCES and bool(call.args)
    )


def respelled(func: ast.Attribute, today: str, file: File) -> Edit:
    """Replace the method's name."""
    span = file.module.span(func)
    return Edit(Span(span.end_line, span.end_column - len(func.attr), span.end_line, span.end_column), today)


@rule("FS409", "on-event", Function, tier=Tier.OPT_IN)
def on_event(function: Function, file: File) -> Iterator[Problem]:
    """What runs at the start or the end of an application is registered with `on_event`.

    It gives a DeprecationWarning, runs not at all in an application that has a `lifespan`, and nothing ties
    what the start has made to the end that should close it.

    Bad:
        @app.on_event("startup")
        async def start():
            await create_tables()

    Good:
        @asynccontextmanager
        async def lifespan(app):
            await create_tables()
            yield
            await engine.dispose()

        app = FastAPI(lifespan=lifespan)

    Fine:
    Methods of that name of other libraries.
    """
    for decorator in function.node.decorator_list:
        if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
            continue
        said = names.literal(decorator.args[0]) if decorator.args else None
        if decorator.func.attr != "on_event" or said not in {"startup", "shutdown"}:
            continue
        if serves(function, decorator.func.value):
            yield Problem(
                decorator,
                "`on_event` is deprecated, and does not run in an application that has a `lifespan`.",
                "Write a `lifespan`, and pass it: `FastAPI(lifespan=lifespan)`.",
            )
