"""N+1 and other statements that repeat: the same lines of code, the same statement, other values.

That rule is prosopite's: https://github.com/charkost/prosopite. What it needs is a statement sent twice from
one call stack, so one object that reads its own relationships is none, however many they are. Three
refinements keep what is right as it is out:

- Loads by an attribute count where two or more of the instances came from one query. A way up from row to row
  (`while node.parent`) has nothing that could be loaded beforehand.
- Queries of the code itself count where what differs picks rows by equality. Chunks differ in a bound, an
  offset or a list, so a loop over them is none; nor is a query that polls, which differs in nothing.
- What a rollback has undone is not added to what runs afterwards: that is a retry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from fieldstone.guard.findings import Finding, said
from fieldstone.guard.lives import Query, Relationship, root_of
from fieldstone.guard.sites import Moment
from fieldstone.guard.statements import Statement

LEAST = 2


def repeats(statements: Sequence[Statement]) -> list[Finding]:
    """Find what repeats, in the order in which it began."""
    reads = [one for one in statements if one.is_read and not one.failed]
    found = [
        *_found(reads, "lazy load", _lazy_key, _n_plus_one),
        *_found(reads, "reload", _lazy_key, _reloads),
        *_found(reads, "query", lambda one: one.fingerprint, _lookups),
    ]
    return [finding for _, finding in sorted(found, key=lambda pair: pair[0])]


def option_for(path: Sequence[Relationship]) -> str:
    """Write the loader option that loads the relationships of a path with the query itself."""
    last = path[-1]
    name = f"{last.parent.class_.__name__}.{last.key}"
    if last.mapper is last.parent:
        step = f"selectinload({name}, recursion_depth=-1)" if last.uselist else f"selectinload({name})"
    else:
        step = f"selectinload({name})" if last.uselist else f"joinedload({name})"
    return f"{option_for(path[:-1])}.{step}" if len(path) > 1 else step


Key = Callable[[Statement], object]
Judge = Callable[[list[Statement]], Finding | None]


def _found(
    statements: Iterable[Statement], purpose: str, key: Key, judge: Judge
) -> Iterator[tuple[float, Finding]]:
    groups: dict[object, list[Statement]] = defaultdict(list)
    for one in statements:
        # Without a line of the project it is no loop of it: a client asks generated routes again and again.
        if one.purpose == purpose and (one.moment.sites or purpose != "query"):
            groups[one.moment.sites, one.attempt, key(one)].append(one)
    for group in groups.values():
        finding = judge(group) if len(group) >= LEAST else None
        if finding is not None:
            yield group[0].started, finding


def _lazy_key(statement: Statement) -> object:
    query = _query(statement)
    return query.entity, query.attribute


def _query(statement: Statement) -> Query:
    assert statement.query is not None
    return statement.query


def _siblings(group: list[Statement]) -> list[Statement]:
    """Keep the loads of instances that came from one query with others."""
    by_origin: dict[object, list[Statement]] = defaultdict(list)
    for one in group:
        parent = _query(one).parent
        by_origin[parent.query if parent else None].append(one)
    return [
        one
        for together in by_origin.values()
        if len({_query(one).instance for one in together}) >= LEAST
        for one in together
    ]


def _n_plus_one(group: list[Statement]) -> Finding | None:
    together = _siblings(group)
    if not together:
        return None
    first = together[0]
    query = _query(first)
    subject = f"{query.entity}.{query.attribute}"
    origin = origin_of(query)
    option = option_for(query.path)
    if first.moment.operation in ("delete", "flush", "commit"):
        return _unloaded_for_delete(together, subject, option)
    return Finding(
        "n_plus_one",
        subject,
        said(
            f"{subject} was loaded {len(together)} times, by a statement for each {query.entity}",
            first.moment,
            f"{whence(query, origin)} without it",
            f"Add .options({option}) to that query, or read into a schema that has {query.attribute!r}.",
        ),
        option,
        first.site,
        origin.site if origin else None,
        len(together),
    )


def _unloaded_for_delete(together: list[Statement], subject: str, option: str) -> Finding:
    first = together[0]
    return Finding(
        "n_plus_one",
        subject,
        said(
            f"{subject} was loaded {len(together)} times, by a statement for each row that is deleted",
            first.moment,
            "SQLAlchemy looks for rows to delete or to detach with it, as the relationship does not leave "
            "that to the database",
            "Give the foreign key an ondelete and the relationship passive_deletes=True, or add "
            f".options({option}) to the query.",
        ),
        "passive_deletes=True",
        first.site,
        None,
        len(together),
    )


def _reloads(group: list[Statement]) -> Finding | None:
    first = group[0]
    query = _query(first)
    if len({_query(one).instance for one in group}) < LEAST:
        return None
    if first.moment.operation == "refresh":
        return _refreshed(group)
    ending = query.parent.expiry_of(query.attribute) if query.parent else None
    origin = ending.moment if ending is not None else origin_of(query)
    subject = f"{query.entity}.{query.attribute}"
    if ending is None:
        cause, remedy = (
            f"the column is deferred, and {whence(query, origin)} without it",
            (
                f"Add .options(undefer({subject})) to that query, or read into a schema that has "
                f"{query.attribute!r}."
            ),
        )
        write = f"undefer({subject})"
    else:
        cause, remedy = (
            f"{ending} expired them",
            ("Make the session with expire_on_commit=False, or read the rows again with one select."),
        )
        write = "expire_on_commit=False"
    return Finding(
        "expired" if ending else "n_plus_one",
        subject,
        said(
            f"{subject} was loaded again {len(group)} times, by a statement for each {query.entity}",
            first.moment,
            cause,
            remedy,
        ),
        write,
        first.site,
        origin.site if origin else None,
        len(group),
    )


def _refreshed(group: list[Statement]) -> Finding:
    query, first = _query(group[0]), group[0]
    return Finding(
        "repeated_query",
        query.entity,
        said(
            f"refresh() read a {query.entity} {len(group)} times, each by a statement of its own",
            first.moment,
            "it stands in a loop",
            "Make the session with expire_on_commit=False, or read the rows with one select.",
        ),
        "expire_on_commit=False",
        first.site,
        None,
        len(group),
    )


def _lookups(group: list[Statement]) -> Finding | None:
    if len({one.picked() for one in group}) < LEAST:
        return None
    first = group[0]
    entity = first.query.entity if first.query is not None and first.query.entity else "row"
    what = "get() ran" if first.moment.operation in ("get", "get_one") else "One query ran"
    return Finding(
        "repeated_query",
        entity,
        said(
            f"{what} {len(group)} times with other values",
            first.moment,
            f"it stands in a loop, and reads what belongs to one {entity} at a time",
            "Read all of it with one statement before the loop: .where(col(...).in_(values)).",
        ),
        ".in_(values)",
        first.site,
        None,
        len(group),
    )


def origin_of(query: Query) -> Moment | None:
    """Give the lines of the query that the parents came from, first of all."""
    parent = query.parent
    return root_of(parent.query).moment if parent is not None and parent.query is not None else None


def whence(query: Query, origin: Moment | None) -> str:
    """Say where the instances came from."""
    if origin is None:
        return f"each {query.entity} was made here, or loaded before the watch began,"
    return f"each {query.entity} came from the query at {origin.place},"
