"""Relationships that say no more than they must.

Which foreign key a relationship uses, and in which direction, is derived where it can be: from
the only one there is, or from its name (`author` uses `author_id`, and the other side follows
back_populates). What cannot be derived is refused with the line to write. Whatever stands in
sa_relationship_kwargs wins.

Deleting a row follows the declared `ondelete` and nothing else: the ORM neither clears foreign
keys nor deletes children behind it, unless cascade_delete asks for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from sqlalchemy import Column, ForeignKeyConstraint, Table
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import Mapper, RelationshipProperty, relationship
from sqlmodel.main import RelationshipInfo

from fieldstone.errors import ModelError
from fieldstone.models.annotations import Written, written_type

# Any of these says how to join; then nothing is derived.
_SAYS_JOIN = {"primaryjoin", "secondaryjoin", "foreign_keys", "remote_side", "secondary", "backref"}


def property_of(model: Any, name: str, info: RelationshipInfo) -> RelationshipProperty[Any]:
    """Make the SQLAlchemy relationship that a model's declaration means."""
    if info.sa_relationship is not None:
        return info.sa_relationship
    explicit = dict(info.sa_relationship_kwargs or {})
    end = End(model, name, info)
    arguments: dict[str, Any] = {"uselist": end.written.many, "passive_deletes": info.passive_deletes}
    if info.back_populates:
        arguments["back_populates"] = info.back_populates
    if info.cascade_delete:
        arguments["cascade"] = "all, delete-orphan"
    if info.link_model is not None:
        arguments["secondary"] = lambda: _link_table(model, name, info)
    chosen: list[RelationshipProperty[Any]] = []
    if not _SAYS_JOIN & explicit.keys():
        arguments["foreign_keys"] = lambda: end.settle(chosen[0])
        arguments["remote_side"] = lambda: end.remote_side()
    if end.written.many and not info.passive_deletes and "cascade" not in explicit:
        arguments["passive_deletes"] = True if info.cascade_delete else "all"
    chosen.append(
        relationship(end.written.target, *(info.sa_relationship_args or ()), **{**arguments, **explicit})
    )
    return chosen[0]


def _link_table(model: Any, name: str, info: RelationshipInfo) -> Any:
    link = _class_of(info.link_model, model)
    if hasattr(link, "__deletion_field__"):
        raise ModelError(
            f"{model.__name__}.{name} cannot be stored in {link.__name__}, which keeps its deleted rows: the "
            f"list would show them. Take SoftDeleted off {link.__name__}, or lead to it by a list of its own."
        )
    return sa_inspect(link).local_table


def written_by(model: Any, name: str) -> Written:
    """Find what a model, or the base that it has the relationship from, says about its type."""
    for base in model.__mro__:
        if (written := base.__dict__.get("__relationship_types__", {}).get(name)) is not None:
            return cast(Written, written)
        if name in getattr(base, "__annotations__", {}):
            return written_type(model.__name__, name, base.__annotations__[name])  # a plain SQLModel table
    return written_type(model.__name__, name, None)


@dataclass(frozen=True)
class ForeignKey:
    """One foreign key, of one or more columns."""

    constraint: ForeignKeyConstraint

    @property
    def columns(self) -> list[Column[Any]]:
        return [element.parent for element in self.constraint.elements]

    @property
    def referred(self) -> list[Column[Any]]:
        return [element.column for element in self.constraint.elements]

    def is_named(self, name: str) -> bool:
        """Say whether the columns carry a relationship's name: `author_id` for `author`."""
        return all(column.key == name or column.key.startswith(f"{name}_") for column in self.columns)

    def __str__(self) -> str:
        return ", ".join(column.key for column in self.columns)


class End:
    """One end of a relationship; looked at when mappers are configured, so that all models exist."""

    def __init__(self, model: Any, name: str, info: RelationshipInfo) -> None:
        self.model, self.name, self.info = model, name, info

    @cached_property
    def written(self) -> Written:
        return written_by(self.model, self.name)

    @cached_property
    def target(self) -> Any:
        return _class_of(self.written.target, self.model)

    @cached_property
    def other(self) -> End | None:
        """The end that back_populates names."""
        back = self.info.back_populates
        info = getattr(self.target, "__sqlmodel_relationships__", {}).get(back)
        if back is None or info is None or info.sa_relationship is not None:
            return None
        return End(self.target, back, info)

    @cached_property
    def chosen(self) -> tuple[ForeignKey, bool]:
        """The foreign key that is used, and whether it stands on this end."""
        ours, theirs = _foreign_keys(self.model, self.target), _foreign_keys(self.target, self.model)
        if not ours and not theirs:
            raise self._without_key()
        if self.written.many or not ours:
            return self._from_theirs(theirs), False
        if self._is_inverse(ours, theirs):
            return self._from_theirs(theirs), False
        return self._choose(ours, self.name, self.info), True

    def _is_inverse(self, ours: list[ForeignKey], theirs: list[ForeignKey]) -> bool:
        """Tell the side without the key, where keys lead both ways (as they do within one table)."""
        if not theirs or any(key.is_named(self.name) for key in ours) or self.other is None:
            return False
        if self.other.written.many or _explicit(self.info):
            return False
        return any(key.is_named(self.other.name) for key in theirs)

    def _from_theirs(self, theirs: list[ForeignKey]) -> ForeignKey:
        if not theirs:
            raise self._without_key()
        if self.other is None:
            return self._choose(theirs, self.name, self.info)
        return self._choose(theirs, self.other.name, self.other.info)

    def _choose(self, keys: list[ForeignKey], name: str, info: RelationshipInfo) -> ForeignKey:
        if len(keys) == 1:
            return keys[0]
        said = _explicit(info)
        if said:
            spelled = set(re.findall(r"\w+", said))
            fitting = [key for key in keys if spelled >= {column.key for column in key.columns}]
        else:
            fitting = [key for key in keys if key.is_named(name)]
        if len(fitting) == 1:
            return fitting[0]
        raise self._ambiguous(keys)

    # What SQLAlchemy asks for

    def settle(self, prop: RelationshipProperty[Any]) -> list[Column[Any]] | None:
        """Give the foreign key columns, and refuse two ends that do not know of each other."""
        self._refuse_unlinked()
        if self.info.link_model is not None:
            return None
        key, is_here = self.chosen
        if not is_here and not prop.passive_deletes and "delete" not in prop.cascade:
            prop.passive_deletes = "all"
        elif not is_here and not prop.passive_deletes:
            prop.passive_deletes = True
        return key.columns

    def remote_side(self) -> list[Column[Any]] | None:
        """Give the far side's columns where one table is on both sides."""
        if self.info.link_model is not None:
            return None
        tables = set(_tables(self.model)) & set(_tables(self.target))
        if not tables:
            return None
        key, is_here = self.chosen
        return key.referred if is_here else key.columns

    def _refuse_unlinked(self) -> None:
        for name, info in getattr(self.target, "__sqlmodel_relationships__", {}).items():
            if info is self.info or info.sa_relationship is not None:
                continue
            there = End(self.target, name, info)
            linked = info.back_populates == self.name or self.info.back_populates == name
            if linked or (info.back_populates and self.info.back_populates):
                continue
            if there.target is self.model and self._is_mirrored_by(there):
                raise ModelError(
                    f"{self._label} and {there._label} are two ends of one relationship that do not know "
                    "of each other: a change on one would not show on the other. "
                    f'Write back_populates="{name}" on {self._label} '
                    f'and back_populates="{self.name}" on {there._label}.'
                )

    def _is_mirrored_by(self, there: End) -> bool:
        if self.info.back_populates or there.info.back_populates:
            return False
        if self.info.link_model is not None or there.info.link_model is not None:
            return self.info.link_model is there.info.link_model
        if _says_join(self.info) or _says_join(there.info):
            return False
        (key, is_here), (other, is_there) = self.chosen, there.chosen
        return key.constraint is other.constraint and is_here is not is_there

    # Errors

    @property
    def _label(self) -> str:
        return f"{self.model.__name__}.{self.name}"

    def _without_key(self) -> ModelError:
        holder, pointed = (self.target, self.model) if self.written.many else (self.model, self.target)
        table = sa_inspect(pointed).local_table
        field = f"{pointed.__name__.lower() if self.written.many else self.name}_id"
        return ModelError(
            f"{self._label} cannot be joined: no foreign key leads from {holder.__name__} "
            f"to {pointed.__name__}. Add to {holder.__name__}: "
            f'{field}: int = Field(foreign_key="{table.name}.id")'
            + (", or name the link_model." if self.written.many else ".")
        )

    def _ambiguous(self, keys: list[ForeignKey]) -> ModelError:
        holder = next(
            each.__name__ for each in (self.model, self.target) if keys[0].constraint.table in _tables(each)
        )
        return ModelError(
            f"{self._label} could use any of these foreign keys: "
            f"{'; '.join(f'{holder}.{key}' for key in keys)}. "
            f"Name the relationship after its key, or write {self.name}: ... = Relationship("
            f'sa_relationship_kwargs={{"foreign_keys": "[{holder}.{keys[0]}]"}}).'
        )


def _explicit(info: RelationshipInfo) -> str:
    """Give the text of an explicit foreign_keys, in whichever of its forms."""
    said = (info.sa_relationship_kwargs or {}).get("foreign_keys")
    said = said() if callable(said) else said
    if isinstance(said, (list, tuple, set)):
        return " ".join(str(getattr(each, "key", each)) for each in said)
    return "" if said is None else str(getattr(said, "key", said))


def _says_join(info: RelationshipInfo) -> bool:
    explicit: Mapping[str, Any] = info.sa_relationship_kwargs or {}
    return bool(_SAYS_JOIN & explicit.keys()) or bool(explicit.get("viewonly"))


# Looking things up


def _class_of(target: Any, model: Any) -> Any:
    """Find the mapped class that a name means, near the model that names it."""
    if not isinstance(target, str):
        return target
    module, _, name = target.rpartition(".")
    found = [mapper.class_ for mapper in model._sa_registry.mappers if mapper.class_.__name__ == name]
    near = [each for each in found if each.__module__ == (module or model.__module__)]
    if len(near or found) == 1:
        return (near or found)[0]
    known = ", ".join(sorted(mapper.class_.__name__ for mapper in model._sa_registry.mappers))
    raise ModelError(
        f"{model.__name__} names {target!r}, which "
        + (
            f"stands for {len(found)} models. Write its module too."
            if found
            else f"is no model. Models are: {known}. "
        )
        + ("" if found else "Import the module that holds it before the first query.")
    )


def _tables(model: Any) -> list[Table]:
    mapper: Mapper[Any] = sa_inspect(model)
    return [table for table in mapper.tables if isinstance(table, Table)]


def _foreign_keys(model: Any, target: Any) -> list[ForeignKey]:
    """List the foreign keys from one model to another, without those that join an inheritance."""
    return list(_each_foreign_key(model, target))


def _each_foreign_key(model: Any, target: Any) -> Iterator[ForeignKey]:
    own, far = _tables(model), _tables(target)
    for table in own:
        for constraint in sorted(table.foreign_key_constraints, key=lambda each: tuple(each.column_keys)):
            referred = constraint.referred_table
            joins_inheritance = (
                referred is not table
                and referred in own
                and all(column.primary_key for column in constraint.columns)
            )
            if referred in far and not joins_inheritance:
                yield ForeignKey(constraint)
