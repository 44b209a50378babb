"""The parameters by which a list may be narrowed and ordered, and how a query is read by them.

    status=pending                       is
    status__ne=pending                   any other operator stands after two underscores
    assignments.worker_id=@ada           through a relationship
    status__in=pending&status__in=done   several values: the parameter once for each
    q=fly moon                           all words, each somewhere in the searched attributes
    sort=-created_at,title               several, in turn; a minus for descending

Every parameter is known before the first request, with its type, so OpenAPI lists them all, a
client's generator makes an argument of each, and no text from outside is ever taken apart to find
out what it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeAlias
from urllib.parse import parse_qsl

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from sqlmodel import SQLModel

from fieldstone.errors import DesignError, InvalidValues, Problem
from fieldstone.filters.operators import Kind, Operator, operators_for
from fieldstone.filters.paths import Path, resolve
from fieldstone.filters.selection import Filter, Selection, Sort
from fieldstone.filters.values import LONGEST_TEXT, MatchedText, as_text, many_of, value_type
from fieldstone.models.fields import clean_text

MOST_WORDS = 10
_MOST_PARAMETERS = 1_000

# What a list's own parameters are called. An attribute of that name is written with its operator.
RESERVED = frozenset({"size", "offset", "total", "after", "before", "cursor", "view", "format", "q", "sort"})

Source: TypeAlias = str | Mapping[str, Any] | Iterable[tuple[str, Any]]

_EXAMPLES: dict[Kind, tuple[Any, ...]] = {
    "text": ("text", "Text", "a"),
    "boolean": (True,),
    "number": (10, 1, 0),
    "moment": ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00", "2026-01-31"),
    "identifier": ("01890a5d-ac96-774b-bcce-b302099a8057",),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter that compares what a path leads to by one operator."""

    name: str
    path: str
    operator: Operator
    annotation: Any
    example: Any

    def field(self) -> tuple[Any, FieldInfo]:
        """Declare it as a field of a query model."""
        examples = [] if self.example is None else [self.example]
        described = f"{self.path} {self.operator.meaning}."
        return self.annotation, _field(self.name, described, examples)

    def filter(self, value: Any) -> Filter:
        """Make the filter that a value asks for."""
        stored = tuple(value) if self.operator.takes == "values" else value
        return Filter(self.name, self.path, self.operator.name, stored)


@dataclass(frozen=True)
class Grammar:
    """Say what may be asked of a model's list, and read what was asked."""

    model: type[SQLModel]
    parameters: tuple[Parameter, ...] = ()
    sortable: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, model: type[SQLModel], filters: Sequence[str], sort: Sequence[str], search: Sequence[str]
    ) -> Grammar:
        """Check the declared paths. Raises DesignError for one that leads nowhere or cannot be used so."""
        for name, paths in (("filters", filters), ("sort", sort), ("search", search)):
            if isinstance(paths, str):
                raise DesignError(f"{name}={paths!r} is one text. Write a list: {name}=[{paths!r}].")
        parameters = tuple(one for text in dict.fromkeys(filters) for one in _parameters(model, text))
        names = [one.name for one in parameters]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DesignError(f"The parameter {twice[0]!r} has two meanings. Rename one of the attributes.")
        return cls(
            model,
            parameters,
            tuple(_sortable(resolve(model, text)) for text in dict.fromkeys(sort)),
            tuple(_searchable(resolve(model, text)) for text in dict.fromkeys(search)),
        )

    def fields(self) -> dict[str, tuple[Any, FieldInfo]]:
        """Declare the parameters as fields of a query model; each has its name as alias."""
        found = {f"filter_{number}": one.field() for number, one in enumerate(self.parameters)}
        if self.searched:
            found["q"] = _search_field(self.searched)
        if self.sortable:
            found["sort"] = _sort_field(self.sortable)
        return found

    def selection(self, values: Mapping[str, Any]) -> Selection:
        """Make a selection of validated values, by the name of their parameter."""
        given = {name: value for name, value in values.items() if value is not None}
        words = tuple(dict.fromkeys(given["q"].split())) if "q" in given else ()
        return Selection(
            tuple(one.filter(given[one.name]) for one in self.parameters if one.name in given),
            tuple(_sorts(given["sort"])) if "sort" in given else (),
            words,
            self.searched if words else (),
        )

    def read(self, source: Source) -> Selection:
        """Read a query string, or a mapping by parameter. Raises InvalidValues."""
        values, problems = self._gathered(list(_pairs(source, self.model.__name__)))
        try:
            read = self._query.model_validate(values)
        except ValidationError as error:
            problems += [_problem(one) for one in error.errors(include_url=False)]
            raise InvalidValues(f"The list of {self.model.__name__}", problems) from None
        if problems:
            raise InvalidValues(f"The list of {self.model.__name__}", problems)
        return self.selection({field.alias or "": getattr(read, name) for name, field in self._declared})

    def known(self, unknown: str, others: Iterable[str] = ()) -> str:
        """Say which parameters there are, for someone who sent one that is not."""
        path = unknown.partition("__")[0]
        near = [one.name for one in self.parameters if one.path == path]
        if near:
            return f"Unknown parameter. Known for {path} are: {', '.join(near)}"
        own = [name for name, paths in (("q", self.searched), ("sort", self.sortable)) if paths]
        plain = {one.path for one in self.parameters if one.name == one.path}
        names = dict.fromkeys(one.path if one.path in plain else one.name for one in self.parameters)
        operators = sorted({one.operator.name for one in self.parameters if one.path in plain} - {"eq"})
        after = f". Filters also take, where they fit: __{', __'.join(operators)}" if operators else ""
        return f"Unknown parameter. Known are: {', '.join([*others, *own, *names]) or 'none'}{after}"

    @cached_property
    def _query(self) -> type[BaseModel]:
        made: type[BaseModel] = create_model(
            f"{self.model.__name__}Query",
            __config__=ConfigDict(hide_input_in_errors=True),
            **self.fields(),  # type: ignore[call-overload]  # the fields are known at run time only
        )
        return made

    @property
    def _declared(self) -> Iterable[tuple[str, FieldInfo]]:
        return self._query.model_fields.items()

    def _gathered(self, pairs: list[tuple[str, Any]]) -> tuple[dict[str, Any], list[Problem]]:
        """Gather what was sent by parameter, and what is wrong with the names."""
        several = {one.name for one in self.parameters if one.operator.takes == "values"}
        known = {field.alias for _, field in self._declared}
        values: dict[str, Any] = {}
        problems: dict[str, Problem] = {}
        for name, value in pairs:
            if name not in known:
                problems[name] = Problem((name,), "unknown_parameter", self.known(name))
            elif name in several:
                more = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
                values[name] = [*values.get(name, []), *more]
            elif name in values:
                problems[name] = sent_twice(name, several)
            else:
                values[name] = value
        return values, list(problems.values())


def sent_twice(name: str, several: Iterable[str]) -> Problem:
    """Refuse a parameter that takes one value and was sent with more."""
    remedy = f". For one of several values send {name}__in" if f"{name}__in" in several else ""
    return Problem((name,), "sent_twice", f"was sent more than once and takes one value{remedy}")


def _parameters(model: type[SQLModel], text: str) -> Iterator[Parameter]:
    path = resolve(model, text)
    kind, annotation = value_type(path)
    operators = operators_for(kind, nullable=path.nullable)
    if not operators:
        raise DesignError(
            f"{text!r} cannot be filtered by: its column {path.column.type!r} has no operators. "
            f"Filters are for text, numbers, bools, dates, UUIDs, enums and what may be null."
        )
    example = _example(path, kind, annotation)
    for operator in operators:
        plain = operator.name == "eq" and text not in RESERVED
        name = text if plain else f"{text}__{operator.name}"
        yield _parameter(name, text, operator, annotation, example)


def _parameter(name: str, path: str, operator: Operator, annotation: Any, example: Any) -> Parameter:
    if operator.takes == "values":
        return Parameter(
            name, path, operator, many_of(annotation, name), None if example is None else [example]
        )
    if operator.takes == "text":
        return Parameter(name, path, operator, MatchedText, "text")
    if operator.takes == "bool":
        return Parameter(name, path, operator, bool, True)
    return Parameter(name, path, operator, annotation, example)


def _example(path: Path, kind: Kind, annotation: Any) -> Any:
    """Find an example that the attribute's own rules accept."""
    if kind in ("opaque", "relationship"):
        return None
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    field = path.owner.model_fields.get(path.name)
    members = adapter.json_schema().get("enum", ()) if kind == "choice" else ()
    own = [*(field.examples or ()), field.default] if field else []
    own = [value for value in own if isinstance(value, str | int | float) and value]
    for candidate in (*members, *own, *_EXAMPLES.get(kind, ())):
        try:
            adapter.validate_python(as_text(candidate))
        except ValidationError:
            continue
        return candidate
    return None


def _sortable(path: Path) -> str:
    kind, _ = value_type(path)
    if path.many or kind in ("opaque", "relationship"):
        why = "it leads to many rows" if path.many else "its values have no order"
        raise DesignError(f"{path.text!r} cannot be sorted by: {why}. Name an attribute with one value.")
    return path.text


def _searchable(path: Path) -> str:
    kind, _ = value_type(path)
    if kind != "text":
        raise DesignError(f"{path.text!r} cannot be searched: it holds no text. Name attributes that do.")
    return path.text


def _field(alias: str, description: str, examples: list[Any], **more: Any) -> FieldInfo:
    """Declare a parameter that may be left out, without a null that nobody can send."""
    made: Any = Field(
        default_factory=lambda: None,
        alias=alias,
        description=description,
        examples=examples or None,
        **more,
    )
    return made  # type: ignore[no-any-return]  # Pydantic types it as the field's value


def _search_field(paths: Sequence[str]) -> tuple[Any, FieldInfo]:
    def few_words(text: str) -> str:
        if len(text.split()) > MOST_WORDS:
            raise PydanticCustomError(
                "too_many_words", "Input should have at most {most} words", {"most": MOST_WORDS}
            )
        return text

    kind = Annotated[
        str,
        StringConstraints(max_length=LONGEST_TEXT),
        AfterValidator(clean_text),
        AfterValidator(few_words),
    ]
    described = f"Words that all must stand, in any case, somewhere in: {', '.join(paths)}."
    return kind, _field("q", described, ["two words"])


def _sort_field(paths: Sequence[str]) -> tuple[Any, FieldInfo]:
    def check(text: str) -> str:
        named = [one.path for one in _sorts(text)]
        if not set(named) <= set(paths):
            raise PydanticCustomError(
                "unknown_sort", "Input should name some of: {names}", {"names": ", ".join(paths)}
            )
        if len(set(named)) < len(named):
            raise PydanticCustomError("sorted_twice", "Input should name each attribute once")
        return text

    one = "-?(" + "|".join(path.replace(".", r"\.") for path in paths) + ")"
    described = f"What to order by, in turn, with a minus for descending. Of: {', '.join(paths)}."
    return Annotated[str, AfterValidator(check)], _field(
        "sort",
        described,
        [",".join([f"-{paths[0]}", *paths[1:2]])],
        json_schema_extra={"pattern": f"^{one}(,{one})*$"},
    )


def _sorts(text: str) -> Iterator[Sort]:
    for name in text.split(","):
        yield Sort(name.removeprefix("-"), name.startswith("-"))


def _pairs(source: Source, model: str) -> Iterable[tuple[str, Any]]:
    if isinstance(source, str):
        try:
            return parse_qsl(
                source.removeprefix("?"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS
            )
        except ValueError:
            message = f"must have at most {_MOST_PARAMETERS} parameters"
            raise InvalidValues(
                f"The list of {model}", [Problem((), "too_many_parameters", message)]
            ) from None
    pairs: Any = source.items() if isinstance(source, Mapping) else source
    return pairs  # type: ignore[no-any-return]  # a mapping is an iterable too, of what it cannot be here


def _problem(found: Any) -> Problem:
    """Say what Pydantic found without the value, of which it quotes a part for a UUID."""
    message = "Input should be a valid UUID" if found["type"] == "uuid_parsing" else found["msg"]
    return Problem(tuple(found["loc"]), found["type"], message)
