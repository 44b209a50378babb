"""Made-up values for the fields of a model, by Polyfactory; texts say which field they are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from annotated_types import MaxLen, MinLen
from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

from fieldstone.cache import cached
from fieldstone.errors import MissingExtra

try:
    from polyfactory.factories.pydantic_factory import ModelFactory
except ModuleNotFoundError as error:
    raise MissingExtra("make", module="polyfactory", extra="testing") from error

# Values do not depend on the day on which the tests run.
_START = datetime(2020, 1, 1, tzinfo=UTC)
_SECONDS = 10 * 365 * 24 * 3600


@dataclass(frozen=True)
class Invented:
    """From what values are made up: a seed, and the number of each field's value within the test.

    `plain` leaves texts to Polyfactory as well, for models that refuse the readable ones.
    """

    seed: int
    numbers: Mapping[str, int]
    plain: bool = False


def invented(model: type[BaseModel], fields: Mapping[str, FieldInfo], source: Invented) -> dict[str, Any]:
    """Make up a value for each of the fields."""
    texts = {
        name: text
        for name, info in fields.items()
        if not source.plain and (text := _text(name, info, source.numbers[name])) is not None
    }
    others = tuple(name for name in fields if name not in texts)
    if not others:
        return texts
    factory = _factory(model, others)
    factory.seed_random(source.seed)
    made = factory.process_kwargs()
    return {name: texts[name] if name in texts else made[name] for name in fields}


def _text(name: str, info: FieldInfo, number: int) -> str | None:
    """Write a text that says what it is for, where no pattern is prescribed."""
    if info.annotation is not str or any(getattr(one, "pattern", None) for one in info.metadata):
        return None
    shortest = max((one.min_length for one in info.metadata if isinstance(one, MinLen)), default=0)
    longest = min((one.max_length for one in info.metadata if isinstance(one, MaxLen)), default=None)
    text = f"{name} {number}"
    if longest is not None and len(text) > longest:
        digits = str(number)
        text = name[: max(longest - len(digits), 0)] + digits
    return text.ljust(shortest, ".")[:longest]


@cached
def _factory(model: type[BaseModel], names: tuple[str, ...]) -> Any:
    definitions: dict[str, Any] = {}
    for name in names:
        info = model.model_fields[name]
        field = FieldInfo(annotation=info.annotation)
        field.metadata = list(info.metadata)
        definitions[name] = (info.annotation, field)
    values = create_model(f"{model.__name__}Values", **definitions)
    return _Values.create_factory(values)


class _Values(ModelFactory[Any]):
    """Polyfactory's values, except that times lie in a fixed range and say that they are in UTC."""

    __is_base_factory__ = True
    __allow_none_optionals__ = False
    __check_model__ = False

    @classmethod
    def get_provider_map(cls) -> dict[Any, Callable[[], Any]]:
        """Give the functions that make up values, by type."""

        def moment() -> datetime:
            return _START + timedelta(seconds=cls.__random__.randrange(_SECONDS))

        def day() -> date:
            return moment().date()

        def hour() -> time:
            return moment().time()

        return {**super().get_provider_map(), datetime: moment, date: day, time: hour}
