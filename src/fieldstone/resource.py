"""A model with its schemas and rules, bound once and checked at start-up.

A resource holds what every way of serving a model needs to agree on: what is read, what may be
created and changed, how lists are ordered and how large a page may be. It runs nothing itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, get_args

from pydantic import BaseModel
from sqlmodel import SQLModel, select
from sqlmodel.sql.expression import SelectOfScalar
from typing_extensions import TypeVar

from fieldstone.errors import DesignError, PlanError, SchemaError
from fieldstone.filters import Grammar, Selection, Sort
from fieldstone.filters.grammar import Source
from fieldstone.keys import key_names, key_type
from fieldstone.paging.cursors import Cursors
from fieldstone.paging.ordering import order_of
from fieldstone.paging.pages import LARGEST_OFFSET, LARGEST_PAGE
from fieldstone.reading.exports import columns_of
from fieldstone.reading.plans import ReadPlan, plan
from fieldstone.schemas import check_create, check_read, check_update

ModelT = TypeVar("ModelT", bound=SQLModel)
ReadT = TypeVar("ReadT", bound=BaseModel)
CreateT = TypeVar("CreateT", bound=BaseModel, default=Any)
UpdateT = TypeVar("UpdateT", bound=BaseModel, default=Any)

Paging = Literal["offset", "keyset"]
Export = Literal["csv", "ndjson"]

FULL = "full"


@dataclass(frozen=True)
class Resource(Generic[ModelT, ReadT, CreateT, UpdateT]):
    """Bind a model to the schemas it is read, created and updated through.

    Without `create` or `update` the resource cannot be created or updated. `name` is the plural
    that stands in paths and operation ids, `subject` the singular; give both to a second
    resource over one model. `order_by` is the order of lists, before the key.
    `filters`, `sort` and `search` name the attributes, also through relationships
    ("project.slug"), by which a request may narrow, order and search the list: none that is not
    named. A filter tells about its attribute, so name a private one with care.
    With `require_match` a request to change or delete a row must send If-Match, with the ETag of the row
    that it read.
    `views` are further Read schemas, of which a request picks one by name; `read` is the view "full",
    or what it is called there, and what a request gets that picks none.
    `paging` says how a list goes on: by "offset", or by "keyset" with cursors, which `cursors` holds
    the secret of, as in `seek`. `total` says how far a request may have results counted, as in `page`:
    `True` for all of them, a number for no more, `False` for none.
    `scope` is a dependency, as of FastAPI, that says which rows a request may touch, as in `within`: a
    condition, or values by field, which a new row gets; or None for all.
    `exports` names the formats in which the whole list may be fetched; as a mapping, with the view
    that each takes by default. CSV takes a view without collections.
    Raises SchemaError or PlanError where a schema and the table contradict each other, and
    DesignError for a name that leads nowhere.
    """

    model: type[ModelT]
    _: KW_ONLY
    read: type[ReadT]
    create: type[CreateT] | None = None
    update: type[UpdateT] | None = None
    name: str = ""
    subject: str = ""
    views: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    order_by: Sequence[Any] = field(default=())
    paging: Paging = "offset"
    page_size: int = 20
    max_page_size: int = 100
    total: bool | int = True
    cursors: Cursors | None = None
    filters: Sequence[str] = ()
    sort: Sequence[str] = ()
    search: Sequence[str] = ()
    exports: Sequence[Export] | Mapping[Export, str] = ()
    require_match: bool = False
    scope: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        if not self.subject:
            object.__setattr__(self, "subject", _in_words(self.model.__name__))
        if not self.name:
            object.__setattr__(self, "name", _plural(self.subject))
        self._check_pages()
        for name, schema in self.all_views.items():
            _check_name(name)
            check_read(schema, self.model)
            plan(self.model, schema)
        if self.create is not None:
            check_create(self.create, self.model, complete=self.scope is None)
        if self.update is not None:
            check_update(self.update, self.model)
        self._check_order()
        self._check_exports()

    @property
    def key(self) -> dict[str, Any]:
        """The names of the key's parts, each with the type that a path parameter for it has."""
        return {name: key_type(self.model, name) for name in key_names(self.model)}

    @cached_property
    def plan(self) -> ReadPlan:
        """How the read schema is read."""
        return plan(self.model, self.read)

    @cached_property
    def default_view(self) -> str:
        """The name of the view that `read` is."""
        return next((name for name, schema in self.views.items() if schema is self.read), FULL)

    @cached_property
    def all_views(self) -> dict[str, type[BaseModel]]:
        """Every view by its name, that of `read` first."""
        if self.views.get(FULL, self.read) is not self.read and self.default_view == FULL:
            raise DesignError(
                f"The resource {self.name!r} has two views called {FULL!r}: {self.read.__name__}, which it "
                f"reads by default, and {self.views[FULL].__name__}. Name the default one, too: "
                f"views={{'standard': {self.read.__name__}, {FULL!r}: {self.views[FULL].__name__}}}."
            )
        return {self.default_view: self.read} | dict(self.views)

    def export_view(self, form: Export) -> str:
        """Name the view that an export takes by default."""
        return self.exports[form] if isinstance(self.exports, Mapping) else self.default_view

    def export_views(self, form: Export) -> list[str]:
        """Name the views that an export may take: for CSV those that fit into cells."""
        return [name for name, schema in self.all_views.items() if form != "csv" or _is_flat(schema)]

    @cached_property
    def grammar(self) -> Grammar:
        """The parameters by which a request may narrow and order the list."""
        return Grammar.of(self.model, self.filters, self.sort, self.search)

    def selection(self, query: Source) -> Selection:
        """Read a query string, or a mapping by parameter, as the rows and the order that it asks for.

        Raises InvalidValues for what the resource does not allow, naming what it does.
        """
        return self.grammar.read(query)

    def select(self, selection: Selection | None = None) -> SelectOfScalar[ModelT]:
        """Build the statement for a list: the selected rows or all, in the resource's order or theirs."""
        statement = select(self.model).order_by(*self.order_by)
        return statement if selection is None else selection.apply(statement)

    def _check_pages(self) -> None:
        if not 1 <= self.page_size <= self.max_page_size <= LARGEST_PAGE:
            raise DesignError(
                f"The resource {self.name!r} has page_size {self.page_size} and max_page_size "
                f"{self.max_page_size}. Choose 1 <= page_size <= max_page_size <= {LARGEST_PAGE}."
            )
        if self.paging not in get_args(Paging):
            raise DesignError(
                f"The resource {self.name!r} has paging={self.paging!r}. Choose from: "
                f"{', '.join(get_args(Paging))}."
            )
        if not isinstance(self.total, bool) and not 1 <= self.total <= LARGEST_OFFSET:
            raise DesignError(
                f"The resource {self.name!r} has total={self.total!r}. Choose True to count all results, "
                f"False to count none, or where counting stops, from 1 to {LARGEST_OFFSET}."
            )

    def _check_order(self) -> None:
        """Find out now whether keyset pages can follow each order."""
        selections = [None, *(Selection(sort=(Sort(path),)) for path in self.grammar.sortable)]
        try:
            for selection in selections if self.paging == "keyset" else ():
                order_of(self.select(selection), self.model)
        except PlanError as error:
            raise DesignError(f"The resource {self.name!r} has no keyset pages: {error}") from error

    def _check_exports(self) -> None:
        if isinstance(self.exports, str):
            raise DesignError(f"exports={self.exports!r} is one text. Write exports=({self.exports!r},).")
        for form in self.exports:
            if form not in get_args(Export):
                raise DesignError(
                    f"The resource {self.name!r} cannot be exported as {form!r}. Choose from: "
                    f"{', '.join(get_args(Export))}."
                )
            view = self.export_view(form)
            if view not in self.all_views:
                raise DesignError(
                    f"The resource {self.name!r} has no view {view!r} to export as {form}. Its views are: "
                    f"{', '.join(self.all_views)}."
                )
            if view not in self.export_views(form):
                raise self._not_flat(view)

    def _not_flat(self, view: str) -> DesignError:
        flat = self.export_views("csv")
        remedy = (
            f"Name a flat view: exports={{'csv': {flat[0]!r}}}."
            if flat
            else "Declare a flat view and name it: views={'flat': ...}, exports={'csv': 'flat'}."
        )
        return DesignError(
            f"The resource {self.name!r} cannot be exported as CSV by its view {view!r}: "
            f"{_why_not_flat(self.all_views[view])} {remedy}"
        )


def _is_flat(schema: type[BaseModel]) -> bool:
    return not _why_not_flat(schema)


def _why_not_flat(schema: type[BaseModel]) -> str:
    try:
        columns_of(schema)
    except SchemaError as error:
        return str(error)
    return ""


def _check_name(view: str) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", view):
        raise DesignError(
            f"A view cannot be called {view!r}. Requests name it, so take a letter first, "
            "then letters, digits, '_' and '-'."
        )


def _in_words(name: str) -> str:
    """Spell a class's name as one in a path: `user_answer` for UserAnswer."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _plural(noun: str) -> str:
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search(r"(s|x|z|ch|sh)$", noun) else "s")
