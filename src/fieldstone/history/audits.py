"""Which models have a history, and what of them it keeps.

Left out is what every change sets by itself, because the entry says it already: `updated_at` (any
column with `onupdate`) and the version counter; and columns that the database computes. Masked
fields are recorded as changed, without their values: a history is read by more people than a table,
and outlives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pydantic import SecretBytes, SecretStr
from sqlalchemy import Column, Table, event
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import Mapper
from sqlmodel import SQLModel

from fieldstone.cache import cached
from fieldstone.errors import ModelError
from fieldstone.history.entries import HistoryEntry, history_table
from fieldstone.keys import key_names, mapper_of
from fieldstone.listeners import AUDITED
from fieldstone.models import Model

ModelT = TypeVar("ModelT", bound=SQLModel)

_PRIVATE = re.compile(
    r"(^|_)(password|passwd|passphrase|secret|token|credentials?|(api|private)_?key)s?(_|$)", re.IGNORECASE
)


@dataclass(frozen=True)
class Masked:
    """Mark a field whose values stay out of the history: `Annotated[str, Masked()]`.

    Fields that are called password, secret, token, credential, api_key or private_key, alone or as
    a part between underscores, are masked unless they say `Masked(False)`.
    """

    masked: bool = True


class Audited(Model):
    """Record every change of this model's rows, in the same transaction.

    `__actor_required__ = True` refuses a change by nobody (see `acting`).
    """

    __actor_required__: ClassVar[bool] = False


def audited(model: type[ModelT]) -> type[ModelT]:
    """Record every change of a table that is not derived from Audited, such as a plain SQLModel."""
    mapper = mapper_of(model)
    for one in mapper.self_and_descendants:
        _enlist(one, one.class_)
    return model


def _enlist(mapper: Mapper[Any], model: type[Any]) -> None:
    table = mapper.local_table
    if not isinstance(table, Table):
        raise ModelError(f"{model.__name__} is not mapped to a table, so it can have no history.")
    if mapper.single and AUDITED not in table.info:
        raise ModelError(
            f"{model.__name__} shares the table of {mapper.base_mapper.class_.__name__}, which has no "
            "history. Declare the history on that."
        )
    history_table(model)
    table.info.setdefault(AUDITED, model)
    _refuse_masked_key(mapper, model)


event.listen(Audited, "after_mapper_constructed", _enlist, propagate=True)


@dataclass(frozen=True, eq=False)
class Audit:
    """What is kept of one model: which attributes in which columns, and which without values."""

    model: type[Any]
    keys: tuple[str, ...]
    columns: Mapping[str, Column[Any]]
    masked: frozenset[str]

    @property
    def name(self) -> str:
        """The name of the model; in an inheritance, of the one at the top, since they share keys."""
        return str(mapper_of(self.model).base_mapper.class_.__name__)

    @property
    def history(self) -> type[HistoryEntry]:
        return history_table(self.model)

    @property
    def actor_required(self) -> bool:
        return bool(getattr(self.model, "__actor_required__", False))


def history_of(model: type[SQLModel]) -> type[HistoryEntry]:
    """Give the table that holds a model's history, to be read like any other.

    Raises ModelError for a model that has none.
    """
    if not is_audited(mapper_of(model).local_table):
        raise ModelError(f"{model.__name__} has no history. Derive it from Audited, or call audited(...).")
    return history_table(model)


def is_audited(table: Any) -> bool:
    """Tell whether the rows of a table have a history; a class may also be mapped to a join."""
    return isinstance(table, Table) and AUDITED in table.info


def audited_model(table: Any) -> type[Any]:
    """Give the model of an audited table; the parent's, where several share it."""
    model: type[Any] = table.info[AUDITED]
    return model


@cached
def audit_of(model: type[Any]) -> Audit:
    """Say what is kept of an audited model."""
    mapper: Mapper[Any] = sa_inspect(model)
    columns = {
        one.key: one.columns[0]
        for one in mapper.column_attrs
        if isinstance(one.columns[0], Column) and not _is_noise(mapper, one.columns[0])
    }
    masked = frozenset(name for name in columns if _is_masked(model, name))
    return Audit(model, key_names(model), columns, masked)


def audit_of_table(table: Any) -> Audit:
    """Say what is kept of a table's rows, whichever of the models that share it they belong to."""
    own = audit_of(audited_model(table))
    sharing = [one for one in mapper_of(own.model).self_and_descendants if one.local_table is table]
    audits = [audit_of(one.class_) for one in sharing]
    columns = {name: column for audit in audits for name, column in audit.columns.items()}
    return Audit(own.model, own.keys, columns, frozenset().union(*(audit.masked for audit in audits)))


def _is_noise(mapper: Mapper[Any], column: Column[Any]) -> bool:
    written_always = column.onupdate is not None or column.server_onupdate is not None
    return written_always or column is mapper.version_id_col or column.computed is not None


def _is_masked(model: type[Any], name: str) -> bool:
    field = getattr(model, "model_fields", {}).get(name)
    if field is not None:
        marks = [item.masked for item in field.metadata if isinstance(item, Masked)]
        if marks:
            return marks[-1]
        if field.annotation in (SecretStr, SecretBytes):
            return True
    return _PRIVATE.search(name) is not None


def _refuse_masked_key(mapper: Mapper[Any], model: type[Any]) -> None:
    names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    masked = [name for name in names if _is_masked(model, name)]
    if masked:
        raise ModelError(
            f"The history of {model.__name__} would show {masked[0]!r}, which is masked: entries are "
            "found by the key. Give the model another key, or mark the field with Masked(False)."
        )
