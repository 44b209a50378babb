"""The operators of the query string in Python, for type checkers too.

`col(Task.progress) >= "half"` is no error to a type checker, since a column may be compared with
any expression. `typed(Task.progress).ge("half")` is one, and what it builds is what the query
string builds: the same on every database.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar, overload

from fieldstone.filters.operators import OPERATORS, Condition

T = TypeVar("T")
TextT = TypeVar("TextT", bound=str)
OrderedT = TypeVar("OrderedT", bound=float | Decimal | date | timedelta)


class Operand(Generic[T]):
    """Compare one attribute of a model. Each comparison goes into `select(...).where(...)`."""

    def __init__(self, attribute: Any) -> None:
        self._attribute = attribute

    def _build(self, operator: str, value: Any) -> Condition:
        return OPERATORS[operator].build(self._attribute, value)

    def eq(self, value: T) -> Condition:
        """Be the value."""
        return self._build("eq", value)

    def ne(self, value: T) -> Condition:
        """Be another value, or none."""
        return self._build("ne", value)

    def in_(self, *values: T) -> Condition:
        """Be one of the values."""
        return self._build("in", values)

    def not_in(self, *values: T) -> Condition:
        """Be another than these values, or none."""
        return self._build("not_in", values)

    def is_null(self, wanted: bool = True) -> Condition:
        """Be without a value, or with one."""
        return self._build("is_null", wanted)


class OrderedOperand(Operand[OrderedT]):
    """Compare one attribute whose values have the same order on every database."""

    def lt(self, value: OrderedT) -> Condition:
        """Be less than the value."""
        return self._build("lt", value)

    def le(self, value: OrderedT) -> Condition:
        """Be at most the value."""
        return self._build("le", value)

    def gt(self, value: OrderedT) -> Condition:
        """Be greater than the value."""
        return self._build("gt", value)

    def ge(self, value: OrderedT) -> Condition:
        """Be at least the value."""
        return self._build("ge", value)


class TextOperand(Operand[TextT]):
    """Compare one attribute that holds text; `%`, `_` and `*` in what is sought stand for themselves."""

    def contains(self, text: str) -> Condition:
        """Have the text in it."""
        return self._build("contains", text)

    def startswith(self, text: str) -> Condition:
        """Begin with the text."""
        return self._build("startswith", text)

    def endswith(self, text: str) -> Condition:
        """End with the text."""
        return self._build("endswith", text)

    def icontains(self, text: str) -> Condition:
        """Have the text in it, in any case."""
        return self._build("icontains", text)

    def istartswith(self, text: str) -> Condition:
        """Begin with the text, in any case."""
        return self._build("istartswith", text)

    def iendswith(self, text: str) -> Condition:
        """End with the text, in any case."""
        return self._build("iendswith", text)


# Each twice: mypy reads the members of a Literal as plain str where None may stand beside them.
@overload
def typed(attribute: TextT) -> TextOperand[TextT]: ...
@overload
def typed(attribute: OrderedT) -> OrderedOperand[OrderedT]: ...
@overload
def typed(  # type: ignore[overload-overlap]  # of None alone, which no attribute is
    attribute: TextT | None,
) -> TextOperand[TextT]: ...
@overload
def typed(attribute: OrderedT | None) -> OrderedOperand[OrderedT]: ...
@overload
def typed(attribute: T | None) -> Operand[T]: ...
def typed(attribute: Any) -> Any:
    """Compare an attribute with values of its own type only: `typed(Task.progress).ge(50)`."""
    return _Any(attribute)


class _Any(TextOperand[Any], OrderedOperand[Any]):
    """Be every kind of operand at run time: which one it is matters to type checkers alone."""
