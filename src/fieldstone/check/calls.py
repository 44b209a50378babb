"""Calls: of sessions and what they give, of the project's functions, of others' libraries."""

from __future__ import annotations

import ast
from dataclasses import replace

from fieldstone.check.constructing import constructed
from fieldstone.check.evaluation import OF_COROUTINES, Evaluation
from fieldstone.check.events import Called, unheard
from fieldstone.check.lookup import last_name
from fieldstone.check.modules import Function
from fieldstone.check.sessioncalls import COROUTINES, IMMEDIATE, SessionCall
from fieldstone.check.statements import QUERY_ENDS, built, taken
from fieldstone.check.values import (
    PLAIN,
    UNKNOWN,
    Attr,
    Clause,
    Context,
    Coroutine,
    Engine,
    Factory,
    Many,
    Named,
    Result,
    Row,
    Select,
    Session,
    Value,
)

PASSING = frozenset({"list", "sorted", "set", "tuple", "reversed", "iter", "frozenset"})
MAKING = frozenset({"model_validate", "model_construct", "model_validate_json", "from_orm", "parse_obj"})
DATA_CALLS = frozenset(
    {
        "len",
        "str",
        "int",
        "float",
        "bool",
        "sum",
        "repr",
        "isinstance",
        "range",
        "hash",
        "any",
        "all",
        "abs",
        "round",
        "print",
        "id",
        "format",
        "hasattr",
        "issubclass",
        "bytes",
        "dict",
    }
)


class Calls(Evaluation):
    """Evaluates calls as well."""

    def on_call(self, node: ast.Call) -> Value:
        awaited = self.awaiting is node
        self.awaiting = None
        method = node.func.attr if isinstance(node.func, ast.Attribute) else None
        receiver = self.value(node.func.value) if isinstance(node.func, ast.Attribute) else UNKNOWN
        if isinstance(node.func, ast.Attribute) and isinstance(receiver, Coroutine):
            if node.func.attr not in OF_COROUTINES:
                self.finished(receiver, node.func)
            receiver = UNKNOWN
        callee: Value = UNKNOWN
        if not isinstance(receiver, Session | Result | Select | Factory):
            callee = (
                self.attribute(node.func, receiver, called=True)
                if isinstance(node.func, ast.Attribute)
                else self.value(node.func)
            )
        arguments = tuple([self.value(given) for given in node.args])
        keywords = {given.arg or "**": self.value(given.value) for given in node.keywords}
        function = self.analysis.called(callee)
        self.analysis.line = node.lineno
        address = callee.address if isinstance(callee, Named) else None
        if not self.heard(node, address):
            return self.result(node, receiver, method, callee, function, arguments, keywords)
        changing = isinstance(receiver, Session) or function is not None
        before = self.state.copy() if changing else self.state
        result = self.result(node, receiver, method, callee, function, arguments, keywords)
        self.emit(
            Called(
                node,
                self.place,
                address,
                method,
                receiver,
                arguments,
                keywords,
                result,
                awaited,
                before,
                function,
            )
        )
        return result

    def heard(self, node: ast.Call, address: str | None) -> bool:
        """Whether anybody wants to be told of a call."""
        if self.emit is unheard:
            return False
        return self.calls is None or address in self.calls or last_name(node) in self.calls

    def result(
        self,
        node: ast.Call,
        receiver: Value,
        method: str | None,
        callee: Value,
        function: Function | None,
        arguments: tuple[Value, ...],
        keywords: dict[str, Value],
    ) -> Value:
        """What a call gives."""
        match receiver:
            case Session() if method:
                return self.session_call(node, receiver, method, arguments, keywords)
            case Result() if method:
                return taken(receiver, method, self.row(receiver)) if method != "partitions" else UNKNOWN
            case Select() if method:
                return self.select_call(node, receiver, method, arguments)
            case Factory(session=made):
                session = replace(made, key=f"{node.lineno}:{node.col_offset}")
                return Context(session, session, commits=True, closes=True) if method == "begin" else UNKNOWN
            case Engine() if method in {"connect", "begin"}:
                return UNKNOWN
            case Attr() | Clause():
                return Clause()
            case Many() | Row() if method in {"copy", "pop"}:
                return receiver if method == "copy" else self.element(receiver)
            case _:
                pass
        if function is not None:
            return self.analysis.apply(self, node, function, callee, arguments, keywords)
        if isinstance(receiver, Named) and receiver.address in self.project.classes and method in MAKING:
            return self.construct(node, receiver, arguments, keywords)
        return self.construct(node, callee, arguments, keywords)

    def session_call(
        self,
        node: ast.Call,
        session: Session,
        method: str,
        arguments: tuple[Value, ...],
        keywords: dict[str, Value],
    ) -> Value:
        """A method of a session."""
        self.sessions.setdefault(session.key, session)
        value = SessionCall(
            self.project, self.module, self.state, node, arguments, keywords, self.born
        ).value(session, method)
        if session.asynchronous and method in COROUTINES and method not in IMMEDIATE:
            return Coroutine(value, node)
        return value

    def select_call(self, node: ast.Call, select: Select, method: str, arguments: tuple[Value, ...]) -> Value:
        """A method of a statement, or of a legacy Query that ends it."""
        if select.kind == "query" and method in QUERY_ENDS:
            if method in {"count", "update", "delete", "exists"}:
                return PLAIN
            result = Result(select, len(select.entities) == 1, select.session, legacy=True)
            return taken(result, "first" if method == "get" else method, self.row(result))
        return built(select, method, node, self.module, arguments)

    def construct(
        self, node: ast.Call, callee: Value, arguments: tuple[Value, ...], keywords: dict[str, Value]
    ) -> Value:
        """Call a class, a factory of sessions, or a function of others' libraries."""
        if isinstance(callee, Factory):
            session = replace(callee.session, key=f"{node.lineno}:{node.col_offset}")
            self.sessions[session.key] = session
            return session
        if isinstance(callee, Named):
            return constructed(self, node, callee.address, arguments, keywords)
        if callee == UNKNOWN and isinstance(node.func, ast.Name):
            return self.builtin(node.func.id, arguments)
        return UNKNOWN

    def builtin(self, name: str, arguments: tuple[Value, ...]) -> Value:
        """Call a function that every module has."""
        first = arguments[0] if arguments else UNKNOWN
        if name in PASSING and len(arguments) == 1:
            return Many(self.element(first)) if isinstance(first, Many | Result | Select) else UNKNOWN
        if name == "enumerate":
            return Many(Row((PLAIN, self.element(first))))
        if name == "zip":
            return Many(Row(tuple(self.element(value) for value in arguments)))
        if name in {"next", "anext"} and isinstance(first, Many | Result):
            return self.element(first)
        return PLAIN if name in DATA_CALLS else UNKNOWN
