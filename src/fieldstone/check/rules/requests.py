"""Endpoints: what they let in, and what they let out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Called
from fieldstone.check.fields import Column, target_of
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.lookup import function_at
from fieldstone.check.models import Model, model, table
from fieldstone.check.modules import Function, heading
from fieldstone.check.registry import File, rule
from fieldstone.check.routes import Route, parameters_of, route_of
from fieldstone.check.trees import walk

BODIES = frozenset({"post", "put", "patch"})
SECRET = re.compile(r"password|passwd|passphrase|secret|api_?key|private_?key|(?:^|_)token$|(?:^|_)salt$|pwd")
DUMPS = frozenset({"model_dump", "dict", "model_dump_json", "json", "model_copy", "copy"})
HARMLESS = frozenset(
    {
        "info",
        "debug",
        "warning",
        "error",
        "exception",
        "critical",
        "print",
        "len",
        "str",
        "repr",
        "isinstance",
        "getattr",
        "hasattr",
        "type",
        "bool",
    }
)
DEEPEST = 4


@rule("FS020", "table-model-as-request-body", Function, severity=Severity.ERROR)
def table_model_as_request_body(function: Function, file: File) -> Iterator[Problem]:
    """A table is the body of a request, and what arrives is stored.

    Tables do not validate: wrong types, values out of bounds and missing fields are accepted, and the
    client may set every column, the primary key and the owner included.

    Bad:
        @app.post("/heroes")
        def create(hero: Hero, session: Session = Depends(get_session)):
            session.add(hero)

    Good:
        @app.post("/heroes")
        def create(data: HeroCreate, session: Session = Depends(get_session)):
            session.add(Hero.model_validate(data))

    Fine:
    A body that is only looked at.
    """
    route = route_of(function)
    if route is None or route.method not in BODIES:
        return
    for argument, default in parameters_of(function):
        if isinstance(default, ast.Call) and file.module.address(default.func) not in {"fastapi.Body", None}:
            continue
        body = table(file.project, file.module.address(argument.annotation))
        if body and body.sqlmodel and not body.fieldstone and stored(function, argument.arg, 0):
            yield Problem(
                heading(function.node),
                f"`{body.name}` is a table, so nothing of the body is validated, and clients set any column.",
                f"Take a schema without `table=True`; store `{body.name}.model_validate({argument.arg})`.",
            )


def stored(function: Function, name: str, depth: int) -> bool:
    """Whether a parameter is stored, copied as a whole, or given to what cannot be seen."""
    if depth > DEEPEST:
        return True
    for call in (node for node in walk(function.node) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Attribute) and names.dotted(call.func.value) == name:
            if call.func.attr in DUMPS:
                return True
            continue
        given = [(number, None) for number, a in enumerate(call.args) if names.dotted(a) == name]
        named = [(-1, k.arg) for k in call.keywords if names.dotted(k.value) == name]
        if any(handed_on(function, call, place, word, depth) for place, word in [*given, *named]):
            return True
    return False


def handed_on(function: Function, call: ast.Call, place: int, word: str | None, depth: int) -> bool:
    """Whether what a call does with an argument amounts to storing it."""
    last = (names.dotted(call.func) or "?").rpartition(".")[2]
    if last in HARMLESS:
        return False
    called = function_at(function.module.project, function.module.address(call.func))
    if called is None:
        return True
    parameters = [argument.arg for argument, _ in parameters_of(called)]
    inside = word or (parameters[place] if place < len(parameters) else None)
    return inside is None or inside not in parameters or stored(called, inside, depth + 1)


@rule("FS021", "secret-in-response", Function, severity=Severity.ERROR)
def secret_in_response(function: Function, file: File) -> Iterator[Problem]:
    """An endpoint answers with a table that has a column like a password or a token.

    Every column of a table is in the response unless it says `exclude=True`; hashes of passwords, keys
    and tokens then reach whoever may call the endpoint, and every log on the way.

    Bad:
        @app.get("/users", response_model=list[User])
        def users(session: Session = Depends(get_session)):
            return session.exec(select(User)).all()

    Good:
        @app.get("/users", response_model=list[UserRead])
        def users(session: Session = Depends(get_session)):
            return session.exec(select(User)).all()

    Fine:
    Columns with `exclude=True`, and endpoints with `response_model_exclude`.
    """
    route = route_of(function)
    shown = route and answer_of(route, function)
    if not route or not shown or not shown.table or narrowed(route):
        return
    secrets = [column.name for column in shown.columns.values() if is_secret(column)]
    if secrets:
        listed = ", ".join(f"`{name}`" for name in secrets)
        yield Problem(
            heading(function.node),
            f"The response is the table `{shown.name}`, so it shows {listed} to every client.",
            "Answer with a schema that leaves them out, or give the columns `exclude=True`.",
        )


def answer_of(route: Route, function: Function) -> Model | None:
    """The model that an endpoint answers with, alone or in a list."""
    declared = route.response_model or function.node.returns
    spelled, _ = target_of(declared)
    return model(function.module.project, function.module.address(spelled)) if spelled else None


def narrowed(route: Route) -> bool:
    """Whether the route leaves fields out."""
    return any(names.keyword(route.decorator, f"response_model_{word}") for word in ("exclude", "include"))


def is_secret(column: Column) -> bool:
    """Whether a column looks like a secret, and is shown."""
    if not SECRET.search(column.name) or names.literal(column.keyword("exclude")) is True:
        return False
    spelled, many = target_of(column.annotation)
    return spelled in {"str", "bytes", "SecretStr"} and not many


@rule("FS311", "interpolated-text", Called, severity=Severity.ERROR, calls={"sqlalchemy.text"})
def interpolated_text(call: Called, file: File) -> Iterator[Problem]:
    """A parameter of a request is written into the text of a statement.

    Whoever sends the request chooses what the database runs: SQL injection.

    Bad:
        @app.get("/users")
        def users(name: str, session: Session = Depends(get_session)):
            return session.exec(text(f"SELECT * FROM users WHERE name = '{name}'")).all()

    Good:
        @app.get("/users")
        def users(name: str, session: Session = Depends(get_session)):
            return session.exec(text("SELECT * FROM users WHERE name = :name"), params={"name": name}).all()

    Fine:
    Constants, numbers and members of an Enum.
    """
    if call.address != "sqlalchemy.text" or not call.node.args or route_of(call.place.function) is None:
        return
    texts = {
        argument.arg
        for argument, _ in parameters_of(call.place.function)
        if target_of(argument.annotation)[0] == "str"
    }
    inside = sorted(interpolated(call.node.args[0]) & texts)
    if inside:
        yield Problem(
            call.node.args[0],
            f"The client's `{inside[0]}` becomes part of the statement: SQL injection.",
            f'Write `:{inside[0]}` in the text, and pass the value: `params={{"{inside[0]}": {inside[0]}}}`.',
        )


def interpolated(node: ast.expr) -> set[str]:
    """The names that a text is put together from."""
    parts: list[ast.expr] = []
    match node:
        case ast.JoinedStr(values=values):
            parts = [part.value for part in values if isinstance(part, ast.FormattedValue)]
        case ast.BinOp(op=ast.Mod() | ast.Add(), left=left, right=right):
            parts = [left, right]
        case ast.Call(func=ast.Attribute(attr="format"), args=args):
            parts = [*args, *(keyword.value for keyword in node.keywords)]
        case _:
            pass
    return {inner.id for part in parts for inner in walk(part) if isinstance(inner, ast.Name)}
