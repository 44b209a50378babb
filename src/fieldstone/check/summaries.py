"""What a called function surely did, carried over to the objects of the function that calls it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from fieldstone.check.evaluation import Evaluation
from fieldstone.check.flow import Flow
from fieldstone.check.lookup import decorated_as, last_name
from fieldstone.check.modules import Function
from fieldstone.check.sessioncalls import committed, rolled_back
from fieldstone.check.trees import children
from fieldstone.check.values import (
    NONE,
    PLAIN,
    UNKNOWN,
    Context,
    Coroutine,
    Instance,
    Many,
    Method,
    Row,
    Session,
    State,
    Status,
    Thing,
    Value,
    either,
    joined,
)

HARMLESS = frozenset({"staticmethod", "classmethod", "override", "final"})


@dataclass(slots=True)
class Summary:
    """What a function surely does and gives."""

    result: Value
    yielded: Value | None
    state: State
    parameters: dict[str, Value]
    inert: bool = field(init=False)

    def __post_init__(self) -> None:
        """See whether nothing of what it does or gives is about objects or sessions of who calls it.

        What nobody can ask for any more goes: a large project has tens of thousands of summaries.
        """
        passed = [value for value in self.parameters.values() if isinstance(value, Session | Instance | Many)]
        done = self.state.committed or self.state.rolled_back
        self.inert = not (passed or done or isinstance(self.given, TRANSLATED))
        if self.inert:
            self.state, self.parameters = NOTHING, {}
            return
        seen = {number for value in (self.given, *passed) for number in things_in(value)}
        known = self.state.things
        self.state.things = {number: known[number] for number in seen if number in known}
        self.state.names = {}

    @property
    def given(self) -> Value:
        """What a call gives, or each turn of a generator."""
        return self.yielded if self.yielded is not None else self.result


NOTHING = State()
TRANSLATED = (Instance, Many, Row, Coroutine, Session, Context)


class Transfer:
    """Carries over what holds in a called function to the function that calls it."""

    def __init__(
        self, summary: Summary, evaluation: Evaluation, node: ast.Call, given: dict[str, Value]
    ) -> None:
        self.summary = summary
        self.evaluation = evaluation
        self.node = node
        self.things: dict[int, Instance] = {}
        self.keys: dict[str, Session] = {}
        for name, inside in summary.parameters.items():
            self.pair(inside, given.get(name, UNKNOWN))
        for key, session in evaluation.sessions.items():
            if key.startswith("self."):
                self.keys.setdefault(key, session)

    def pair(self, inside: Value, outside: Value) -> None:
        """Note that a parameter is what the caller passes."""
        if isinstance(inside, Session) and isinstance(outside, Session):
            self.keys[inside.key] = outside
        if isinstance(inside, Many) and isinstance(outside, Many):
            inside, outside = inside.element, outside.element
        if isinstance(inside, Instance) and isinstance(outside, Instance):
            self.things[inside.thing] = outside

    def value(self) -> Value:
        """Do what the function did, and translate what it gives."""
        state, final = self.evaluation.state, self.summary.state
        for key in sorted(final.committed):
            if key in self.keys:
                committed(state, self.keys[key], self.node.lineno)
        for key in sorted(final.rolled_back):
            if key in self.keys and key not in final.committed:
                rolled_back(state, self.keys[key], self.node.lineno)
        for number, mine in self.things.items():
            self.carry(final.things.get(number), mine)
        return self.translated(self.summary.given)

    def carry(self, thing: Thing | None, mine: Instance) -> None:
        """Learn what became of an object that was passed."""
        if thing is None or mine.thing not in self.evaluation.state.things:
            return
        before = self.evaluation.state.things[mine.thing]
        if thing.session in self.keys:
            same = before.session == self.keys[thing.session].key
            expired = thing.expired or None
            self.evaluation.state.change(
                mine,
                expired=expired and replace(expired, line=self.node.lineno),
                session=self.keys[thing.session].key,
                loaded=thing.loaded if not same or expired else before.loaded,
                status=thing.status if thing.status is not Status.UNKNOWN else before.status,
            )
            if not expired and thing.loaded is not None:
                self.evaluation.state.change(mine, loaded=thing.loaded)
        elif before.loaded is not None and thing.loaded != frozenset():
            self.evaluation.state.change(mine, loaded=None)

    def translated(self, value: Value) -> Value:
        """A value of the called function as a value of the caller."""
        match value:
            case Instance(thing=number):
                if number not in self.things:
                    thing = self.summary.state.things.get(number)
                    if thing is None:
                        return UNKNOWN
                    self.things[number] = self.evaluation.born(self.moved(thing))
                return self.things[number]
            case Many(element=element):
                return Many(self.translated(element))
            case Row(elements=elements):
                return Row(tuple(self.translated(e) for e in elements))
            case Coroutine(value=inner):
                return Coroutine(self.translated(inner), self.node)
            case Session(key=key):
                return self.keys.get(key) or replace(value, key=f"{self.node.lineno}:{self.node.col_offset}")
            case Context(value=inner, session=session):
                moved = self.translated(session) if session else None
                return replace(
                    value, value=self.translated(inner), session=moved if isinstance(moved, Session) else None
                )
            case _:
                return value

    def moved(self, thing: Thing) -> Thing:
        """An object that the called function made or read, as the caller sees it."""
        session = self.keys.get(thing.session) if thing.session else None
        expired = replace(thing.expired, line=self.node.lineno) if thing.expired else None
        status = Status.DETACHED if thing.session in self.summary.state.closed else thing.status
        key, line = session.key if session else None, self.node.lineno
        return replace(thing, session=key, expired=expired, status=status, origin=line)


def summarised(flow: Flow) -> Summary:
    """Run a function, and sum up what it did."""
    parameters = flow.enter()
    ends = flow.run(flow.function.node.body)
    states = [state for _, state in flow.returned] + ([flow.state] if ends else [])
    result: Value | None = None
    for value, _ in flow.returned:
        result = either(result, value)
    if ends and result is not None and not isinstance(result, Instance | Many):
        result = either(result, NONE)
    yielded: Value | None = None
    for value in flow.yielded:
        yielded = either(yielded, value)
    return Summary(result or PLAIN, yielded, joined([s.copy() for s in states]) or State(), parameters)


def paired(
    function: Function,
    callee: Value,
    node: ast.Call,
    arguments: tuple[Value, ...],
    keywords: dict[str, Value],
) -> dict[str, Value]:
    """Which parameter gets what."""
    given = function.node.args
    parameters = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    bound: dict[str, Value] = dict(keywords)
    if isinstance(callee, Method) and not decorated_as(function, "staticmethod") and parameters:
        bound[parameters.pop(0)] = callee.receiver
    elif function.owner and decorated_as(function, "classmethod") and parameters:
        parameters.pop(0)
    for name, value, spelled in zip(parameters, arguments, node.args, strict=False):
        if isinstance(spelled, ast.Starred):
            break
        bound[name] = value
    return bound


def undecorated(function: Function) -> bool:
    """Whether no decorator may change what calling the function gives."""
    return all(last_name(decorator) in HARMLESS for decorator in function.node.decorator_list)


def is_generator(function: Function) -> bool:
    """Whether a function yields."""
    node = function.node
    if not any(node.lineno <= line <= (node.end_lineno or line) for line in function.module.yields):
        return False
    return any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in own_nodes(node))


def own_nodes(node: ast.AST) -> list[ast.AST]:
    """The nodes of a function, those of functions and classes inside left out."""
    found: list[ast.AST] = []
    queue = list(children(node))
    while queue:
        inner = queue.pop()
        found.append(inner)
        if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            queue.extend(children(inner))
    return found


def holds_things(value: Value) -> bool:
    """Whether a value is about instances whose state belongs to one function."""
    return next(things_in(value), None) is not None


def things_in(value: Value) -> Iterator[int]:
    """The numbers of the instances that a value is about."""
    match value:
        case Instance(thing=number):
            yield number
        case Many(element=inner) | Coroutine(value=inner) | Context(value=inner):
            yield from things_in(inner)
        case Row(elements=elements):
            for element in elements:
                yield from things_in(element)
        case _:
            pass
