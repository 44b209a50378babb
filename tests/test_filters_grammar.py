"""What a query may say, what it is refused for, and what is refused when a resource is declared."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData, String
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator

from fieldstone import DesignError, Field, Filter, InvalidValues, Model, Resource, Selection, Sort
from fieldstone.filters import Grammar
from tests.domain import Task, TaskRead, Worker, WorkerRead
from tests.filtered import plains, samples, tasks

EVERY = samples()
SQLITE: Any = sqlite  # its dialect is not typed
POSTGRESQL: Any = postgresql


def refusal(resource: Any, query: Any) -> str:
    with pytest.raises(InvalidValues) as caught:
        resource.selection(query)
    return str(caught.value)


def test_a_selection_is_a_value_that_prints_as_its_query() -> None:
    selection = tasks.selection("sort=-title,status&q=b  a b&status__in=pending&status__in=completed")
    assert selection == Selection(
        filters=(Filter("status__in", "status", "in", ("pending", "completed")),),
        sort=(Sort("title", descending=True), Sort("status")),
        words=("b", "a"),
        searched=("title", "project.name", "assignments.worker.name"),
    )
    assert str(selection) == "status__in=pending&status__in=completed&q=b+a&sort=-title%2Cstatus"
    assert tasks.selection(f"?{selection}") == selection


def test_conditions_of_several_relationships_are_one_exists_for_each() -> None:
    query = "assignments.worker_id=@ada&assignments.role=lead&assignments.worker.kind=human&tags.label=x"
    text = str(tasks.select(tasks.selection(query)))
    assert (text.count("EXISTS"), text.count("JOIN")) == (3, 0)


def test_a_match_that_minds_case_can_use_an_index_on_sqlite() -> None:
    statement = tasks.select(tasks.selection("title__startswith=Ro"))
    assert "WHERE (task.title GLOB ?)" in str(statement.compile(dialect=SQLITE.dialect()))
    assert "WHERE (task.title LIKE %(param_1)s::VARCHAR ESCAPE '/')" in str(
        statement.compile(dialect=POSTGRESQL.dialect())
    )


REFUSED = [
    ("status=waiting", "status: Input should be 'pending', 'in_progress' or 'completed'"),
    ("status__in=pending&status__in=lost", "status__in.1: Input should be 'pending', 'in_progress' or 'comp"),
    (
        "status__in=pending,completed",
        "status__in: Input should be one value. Send the parameter once for each: status__in=a&status__in=b",
    ),
    ("status__near=x", "Known for status are: status, status__ne, status__in, status__not_in"),
    ("status__contains=x", "status__contains: Unknown parameter. Known for status are: status, status__ne"),
    ("progress_percent=101", "progress_percent: Input should be less than or equal to 100"),
    ("progress_percent__ge=half", "progress_percent__ge: Input should be a valid integer"),
    ("progress_percent__contains=1", "Unknown parameter. Known for progress_percent are: progress_percent,"),
    ("project_id=2147483648", "project_id: Input should be less than or equal to 2147483647"),
    ("project_id=0x1", "project_id: Input should be a valid integer"),
    ("project_id__is_null=perhaps", "project_id__is_null: Input should be a valid boolean"),
    ("title=%00", "title: Input should not contain the NUL character"),
    ("title__contains=", "title__contains: String should have at least 1 character"),
    ("title__contains=" + "x" * 201, "title__contains: String should have at most 200 characters"),
    ("title=" + "x" * 201, "title: String should have at most 200 characters"),
    ("created_at__ge=2026-01-01T00:00", "created_at__ge: Input should have a UTC offset"),
    ("created_at__ge=2026-01-01", "created_at__ge: Input should have a UTC offset"),
    ("status=pending&status=completed", "status: was sent more than once and takes one value. For one of"),
    ("q=a&q=b", "q: was sent more than once and takes one value"),
    ("sort=title&sort=status", "sort: was sent more than once and takes one value"),
    ("sort=secret", "sort: Input should name some of: title, status, created_at, project.name"),
    ("sort=", "sort: Input should name some of: title"),
    ("sort=title,", "sort: Input should name some of: title"),
    ("sort=--title", "sort: Input should name some of: title"),
    ("sort=title,-title", "sort: Input should name each attribute once"),
    ("q=" + "a " * 11, "q: Input should have at most 10 words"),
    ("q=%00", "q: Input should not contain the NUL character"),
    ("secret=x", "secret: Unknown parameter. Known are: q, sort, status, title, progress_percent"),
    ("__class__=x", "__class__: Unknown parameter"),
    ("project.secret=x", "project.secret: Unknown parameter"),
    ("project.tasks.secret=x", "project.tasks.secret: Unknown parameter"),
    ("&".join(f"a{n}=1" for n in range(1001)), "must have at most 1000 parameters"),
]


@pytest.mark.parametrize(("query", "message"), REFUSED, ids=[query[:30] for query, _ in REFUSED])
def test_what_is_not_allowed_is_refused_by_name(query: str, message: str) -> None:
    assert message in refusal(tasks, query)


def test_an_unknown_name_is_answered_with_every_path_and_operator() -> None:
    resource = Resource(Worker, read=WorkerRead, filters=["name", "profile", "kind"], sort=["name"])
    assert refusal(resource, "nam=x") == (
        "The list of Worker refuses nam: Unknown parameter. Known are: sort, name, profile__is_null, kind. "
        "Filters also take, where they fit: __contains, __endswith, __icontains, __iendswith, __in, "
        "__istartswith, __ne, __not_in, __startswith"
    )


def test_nothing_is_allowed_that_no_list_names() -> None:
    resource = Resource(Task, read=TaskRead)
    for name in ("id", "title", "q", "sort"):
        assert f"{name}: Unknown parameter. Known are: none" in refusal(resource, {name: "title"})


def test_a_choice_is_bounded() -> None:
    many = [("project_id__in", str(n)) for n in range(101)]
    assert "List should have at most 100 items" in refusal(tasks, urlencode(many))
    assert refusal(tasks, {"project_id__in": []}).endswith("at least 1 item after validation, not 0")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("ratio=NaN", "ratio: Input should be a finite number"),
        ("ratio__ge=1e999", "ratio__ge: Input should be a finite number"),
        ("price=1e5", ""),
        ("price=Infinity", "price: Input should be a finite number"),
        ("price=12345678901.5", "price: Decimal input should have no more than"),
        ("amount=1e999999", "amount: Input should lie between 1e-300 and 1e300"),
        ("small=32768", "small: Input should be less than or equal to 32767"),
        ("big=9223372036854775808", "big: Input should be less than or equal to 9223372036854775807"),
        ("big=" + "9" * 5000, "big: Unable to parse input string as an integer, exceeded maximum size"),
        ("code=ab", "code: String should match pattern '^[A-Z]+$'"),
        ("token=zz", "token: Input should be a valid UUID"),
        ("local_at=2026-01-31T12:00:00Z", "local_at: Input should not have a UTC offset"),
        ("seen_at=9999-12-31T23:59:59-01:00", "seen_at: Input should lie within the years 1 to 9999 in UTC"),
        ("rank=4", "rank: Input should be 1, 2 or 3"),
        ("level=3", "level: Input should be 1 or 2"),
        ("size=1", "size: Unknown parameter. Known for size are: size__eq, size__ne"),
        ("took=1", "took: Unknown parameter. Known for took are: took__is_null"),
        ("zero=0", "zero: Input should be a valid integer"),
    ],
)
def test_each_type_refuses_what_its_column_cannot_hold(query: str, message: str) -> None:
    if message:
        assert message in refusal(EVERY, query)
    else:
        assert EVERY.selection(query).filters


def test_a_plain_table_is_held_to_its_columns_as_well() -> None:
    for query in ("number=2147483648", "number=-2147483649", "name=%00", "weight=inf", "name__contains=%00"):
        refusal(plains, query)
    assert "UTC offset" in refusal(plains, "seen_at=2026-01-01T00:00:00")


class Currency(TypeDecorator[Any]):
    """Stand for a type of the user's own, of which nobody knows what it compares with."""

    impl = String
    cache_ok = True


class MoneyModel(Model, registry=registry(metadata=MetaData())):
    """Stand beside no other table."""


class Money(MoneyModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    currency: Any = Field(sa_type=Currency, nullable=False)
    a: int = 0
    a__ne: int = 0


class MoneyRead(Model):
    id: int


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            {"filters": ["colour"]},
            r"'colour' leads nowhere: Task has no 'colour'. Its attributes are: .*title",
        ),
        ({"filters": ["project.colour"]}, r"Project has no 'colour'. Its attributes are: name, slug"),
        ({"filters": ["owner.name"]}, r"Task has no 'owner'. Its relationships are: project, parent"),
        ({"filters": ["title.name"]}, r"Task has no 'title'. Its relationships are: project"),
        ({"filters": ["metadata"]}, "Task has no 'metadata'"),
        ({"filters": ["__class__"]}, "Task has no '__class__'"),
        ({"filters": [""]}, "Task has no ''"),
        ({"filters": "title"}, r"filters='title' is one text. Write a list: filters=\['title'\]"),
        ({"sort": ["assignments.role"]}, "'assignments.role' cannot be sorted by: it leads to many rows"),
        ({"sort": ["project"]}, "'project' cannot be sorted by: its values have no order"),
        ({"search": ["progress_percent"]}, "'progress_percent' cannot be searched: it holds no text"),
        ({"search": ["status"]}, "'status' cannot be searched: it holds no text"),
    ],
)
def test_a_path_that_leads_nowhere_or_does_not_fit_is_refused_when_declared(
    declared: Any, message: str
) -> None:
    with pytest.raises(DesignError, match=message):
        Resource(Task, read=TaskRead, **declared)


def test_a_column_that_nobody_knows_to_compare_is_refused_when_declared() -> None:
    with pytest.raises(DesignError, match=r"'currency' cannot be filtered by: its column Currency\(\)"):
        Resource(Money, read=MoneyRead, filters=["currency"])


def test_two_meanings_of_one_parameter_are_refused_when_declared() -> None:
    with pytest.raises(DesignError, match="The parameter 'a__ne' has two meanings"):
        Resource(Money, read=MoneyRead, filters=["a", "a__ne"])


def test_a_private_column_is_allowed_only_by_its_name() -> None:
    assert Resource(Task, read=TaskRead, filters=["secret"]).selection("secret=x").filters
    assert "secret: Unknown parameter" in refusal(
        Resource(Task, read=TaskRead, filters=["title"]), "secret=x"
    )


def test_examples_are_values_that_the_grammar_reads() -> None:
    for resource in (EVERY, tasks, plains):
        for one in resource.grammar.parameters:
            if one.example is not None:
                assert resource.selection({one.name: one.example}).filters, one.name
    lacking = [one.name for one in EVERY.grammar.parameters if one.example is None]
    assert lacking == []


# Whatever is sent


def described(grammar: Grammar) -> list[str]:
    return [*(one.name for one in grammar.parameters), "q", "sort"]


ANY_TEXT = st.text(max_size=20) | st.sampled_from(
    ["", "1", "-1", "0", "true", "pending", "2026-01-31", "2026-01-31T09:30:00Z", "1e999", "nan", "%", "a,b"]
)
ANY_NAME = st.sampled_from(described(EVERY.grammar)) | st.text(max_size=12)


def compiled(selection: Selection, resource: Any) -> None:
    for dialect in (SQLITE.dialect(), POSTGRESQL.dialect()):
        resource.select(selection).compile(dialect=dialect)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(ANY_NAME, ANY_TEXT), max_size=5))
def test_any_parameters_give_a_statement_or_are_refused(pairs: list[tuple[str, str]]) -> None:
    for source in (pairs, urlencode(pairs, errors="surrogatepass")):
        try:
            selection = EVERY.selection(source)
        except InvalidValues:
            pass
        else:
            compiled(selection, EVERY)
            assert EVERY.selection(str(selection)) == selection


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(query: str) -> None:
    with suppress(InvalidValues):
        EVERY.selection(query)


VALID = st.fixed_dictionaries(
    {},
    optional={
        "name__contains": st.text(
            st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20
        ),
        "big__in": st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5),
        "ratio__ge": st.floats(allow_nan=False, allow_infinity=False),
        "price__lt": st.decimals(-(10**6), 10**6, places=2),
        "day": st.dates(),
        "seen_at__ge": st.datetimes(timezones=st.timezones().filter(lambda zone: zone.key == "UTC")),
        "local_at__lt": st.datetimes(),
        "token__ne": st.uuids(),
        "flag": st.booleans(),
        "colour__in": st.lists(st.sampled_from(["red", "deep, blue"]), min_size=1),
        "rank__not_in": st.lists(st.sampled_from([1, 2, 3]), min_size=1),
        "sort": st.lists(st.sampled_from(["id", "name", "note"]), min_size=1, unique=True).map(",".join),
    },
)


@settings(max_examples=200, deadline=None)
@given(VALID)
def test_what_python_says_reads_back_from_the_query_string(values: dict[str, Any]) -> None:
    selection = EVERY.selection(values)
    assert EVERY.selection(str(selection)) == selection
    assert {one.parameter for one in selection.filters} == values.keys() - {"sort"}
