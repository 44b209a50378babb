"""A statement as its driver takes it: SQL text and arguments, made once for all statements of one shape.

SQLAlchemy builds a statement anew for each call, and looks up what it compiled before by a key that leaves
the values out. Here the same key leads further: past the plan's columns and joins, past compilation, to the
text and to where each argument comes from. Only the values of a call are new.

Pure: it compiles and runs nothing. `gathering` runs what is prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Select

from fieldstone.keeping import Kept
from fieldstone.reading.assembly import Layout
from fieldstone.reading.effects import is_timeless, only_reads

Statement = Select[*tuple[Any, ...]]
Derive = Callable[[], tuple[Statement, Layout | None]]
Named = Mapping[str, Any]
Processor = Callable[[Any], Any] | None
Options = tuple[Any, ...]

LENGTHS = 64


class Unpreparable(Exception):
    """A statement whose arguments cannot be told apart from its text."""


@dataclass(frozen=True)
class Given:
    """What stands in a statement besides its shape: the values, in the order of the shape."""

    shape: Any
    values: tuple[Any, ...]
    binds: tuple[Any, ...]


NOTHING = Given(None, (), ())


def given(statement: Any) -> Given | None:
    """Split a statement into its shape and its values; None for one that cannot be kept."""
    key = statement._generate_cache_key()  # what SQLAlchemy itself keeps compiled statements by
    if key is None or any(one.required for one in key.bindparams):
        return None
    return Given(key.key, tuple([one.effective_value for one in key.bindparams]), tuple(key.bindparams))


class Prepared:
    """One statement, compiled for a dialect."""

    def __init__(
        self,
        statement: Statement,
        layout: Layout | None,
        dialect: Dialect,
        known: Sequence[Any],
        added: Options = (),
    ) -> None:
        compiled: Any = statement.options(*added).compile(dialect=dialect)
        self.compiled = compiled
        self.layout = layout
        self._types = [column.type for column in statement.selected_columns]
        if compiled.literal_execute_params or len(compiled._result_columns) != len(self._types):
            raise Unpreparable
        self.only_reads = only_reads(compiled)
        self.stands_alone = self.only_reads and is_timeless(compiled)
        self._dialect = dialect
        self._constants: list[Any] = []
        self._places: dict[str, tuple[int, Processor]] = {}
        self._named: list[str] = []
        self._place_all(known, plain=not statement._with_options)
        self._expanding = [
            (name, self._places[name][0])
            for bind, name in compiled.bind_names.items()
            if bind in compiled.post_compile_params
        ]
        self._forms: dict[tuple[int, ...], _Text] = {}
        self._processors: list[Processor] | None = None

    def call(self, values: Sequence[Any], named: Named) -> tuple[str, Any]:
        """Give the text and the arguments of one execution."""
        pool = self._pool(values, named)
        lengths = tuple([len(pool[place]) for _, place in self._expanding])
        text = self._forms.get(lengths)
        if text is None:
            text = self._text(pool)
            if len(self._forms) >= LENGTHS:
                self._forms.clear()
            self._forms[lengths] = text
        return text.sql, text.arguments(pool)

    def parameters(self, values: Sequence[Any], named: Named) -> dict[str, Any]:
        """Give the values of one execution by the names that SQLAlchemy has for them."""
        pool = self._pool(values, named)
        return {name: pool[place] for name, (place, _) in self._places.items()}

    @property
    def is_described(self) -> bool:
        """Tell whether it is known what the driver gives for each column."""
        return self._processors is not None

    def processors(self, description: Sequence[Any] | None) -> Sequence[Processor]:
        """Give what turns a driver's values into Python's, by column; the description is needed once."""
        if self._processors is None:
            assert description is not None
            self._processors = [
                kind.dialect_impl(self._dialect).result_processor(self._dialect, column[1])
                for kind, column in zip(self._types, description, strict=True)
            ]
        return self._processors

    def _pool(self, values: Sequence[Any], named: Named) -> list[Any]:
        return [*values, *[named[name] for name in self._named], *self._constants]

    def _place_all(self, known: Sequence[Any], *, plain: bool) -> None:
        """Find out for each parameter whether it is a value of the statement, named, or always the same."""
        places = {bind.key: place for place, bind in enumerate(known)}
        # `binds` has some parameters under two names, and `bind_names` each under the one in the text
        binds = {name: bind for bind, name in self.compiled.bind_names.items()}
        sources: dict[str, int | None] = {
            name: next((places[one.key] for one in bind._cloned_set if one.key in places), None)
            for name, bind in binds.items()
        }
        self._named = [name for name, place in sources.items() if place is None and binds[name].required]
        start = len(known)
        for name, bind in binds.items():
            place = sources[name]
            if place is None and name in self._named:
                place = start + self._named.index(name)
            elif place is None:
                # Of a plain statement only what the mapping says is left: the kinds of an inheritance, say.
                if not plain or bind.callable:
                    raise Unpreparable
                place = start + len(self._named) + len(self._constants)
                self._constants.append(bind.value)
            self._places[name] = place, bind.type.dialect_impl(self._dialect).bind_processor(self._dialect)

    def _text(self, pool: Sequence[Any]) -> _Text:
        names = self.compiled.escaped_bind_names
        if not self._expanding:
            order = self.compiled.positiontup if self.compiled.positional else list(self._places)
            places = [(names.get(name, name), *self._places[name], None) for name in order or ()]
            return _Text(self.compiled.string, places, self.compiled.positional)
        return self._expanded(pool)

    def _expanded(self, pool: Sequence[Any]) -> _Text:
        """Write the lists out: each value of one is a parameter of its own."""
        state = self.compiled.construct_expanded_state(
            {name: pool[place] for name, (place, _) in self._places.items()}, escape_names=False
        )
        found: dict[str, tuple[int, Processor, Any]] = {
            name: (place, processor, None) for name, (place, processor) in self._places.items()
        }
        for name, place in self._expanding:
            for number, part in enumerate(state.parameter_expansion.get(name, ())):
                found[part] = place, state.processors.get(part), number
        names = self.compiled.escaped_bind_names
        order = state.positiontup if self.compiled.positional else list(state.parameters)
        places = [(names.get(name, name), *found[name]) for name in order or ()]
        return _Text(state.statement, places, self.compiled.positional)


class _Text:
    """Text, and where each of its parameters stands in the pool of a call."""

    def __init__(self, sql: str, places: list[tuple[str, int, Processor, Any]], positional: bool) -> None:
        self.sql = sql
        self._places = places
        self._positional = positional

    def arguments(self, pool: Sequence[Any]) -> Any:
        flat: dict[int, list[Any]] = {}
        found = []
        for _, place, processor, number in self._places:
            value = pool[place]
            if number is not None:
                if place not in flat:
                    flat[place] = _flat(value)
                value = flat[place][number]
            found.append(value if processor is None else processor(value))
        if self._positional:
            return tuple(found)
        return {one[0]: value for one, value in zip(self._places, found, strict=True)}


def _flat(values: Sequence[Any]) -> list[Any]:
    """Lay out the values of a list, and of the tuples in it where it compares several columns."""
    if values and isinstance(values[0], tuple):
        return [part for one in values for part in one]
    return list(values)


_kept: Kept[Prepared | None] = Kept()


def prepared(
    owner: Any, dialect: Dialect, key: Any, known: Sequence[Any], derive: Derive, added: Options = ()
) -> Prepared | None:
    """Prepare what `derive` makes of a statement, once for each key; None where that cannot be done.

    `added` are options that a session adds: what is prepared with them serves no session without them.
    What was prepared is kept as long as `owner` lives, such as an engine's pool.
    """

    def make() -> Prepared | None:
        try:
            return Prepared(*derive(), dialect, known, added)
        except Unpreparable:
            return None

    return _kept.get(owner, (dialect, added, key), make)
