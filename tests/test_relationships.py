"""Relationships that say no more than they must, and deletion that follows `ondelete` (P13-P17)."""

# Values and calls that type checkers refuse are what is tested here.
# mypy: disable-error-code="arg-type, call-arg, comparison-overlap, misc, no-any-return, unused-ignore"
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from typing import Any, Dict, List, Optional, cast  # noqa: UP035 - these spellings are what is tested

import pytest
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import registry
from sqlmodel import select

from fieldstone import ModelError
from fieldstone.models import Field, Model, Relationship
from fieldstone.models.annotations import Written, read_annotation
from tests.faces import Face


def configure(base: Any) -> None:
    """Configure the mappers of a base; refused ones are forgotten, lest they stop other tests."""
    try:
        base._sa_registry.configure()
    except ModelError:
        base._sa_registry.dispose()
        raise


def columns_of(model: Any, name: str) -> tuple[set[str], set[str]]:
    relationship = sa_inspect(model).relationships[name]
    return {each.key for each in relationship.local_columns}, {each.key for each in relationship.remote_side}


# Annotations


class Other:
    pass


@pytest.mark.parametrize(
    ("annotation", "many", "optional"),
    [
        ("Other", False, False),
        ("Other | None", False, True),
        ("None | Other", False, True),
        (Optional["Other"], False, True),
        ("Optional['Other']", False, True),
        ("Optional[Other]", False, True),
        ("typing.Optional[Other]", False, True),
        ("Union[Other, None]", False, True),
        ("list[Other]", True, False),
        ("list['Other']", True, False),
        (list["Other"], True, False),
        (List["Other"], True, False),  # noqa: UP006
        ("List[Other]", True, False),
        ("Mapped[list['Other']]", True, False),
        ("'Other | None'", False, True),
    ],
)
def test_every_spelling_of_a_relationship_is_read(annotation: Any, many: bool, optional: bool) -> None:
    assert read_annotation(annotation) == Written("Other", many=many, optional=optional)


def test_classes_themselves_are_read() -> None:
    assert read_annotation(list[Other]) == Written(Other, many=True)
    assert read_annotation(Other | None) == Written(Other, optional=True)


@pytest.mark.parametrize(
    "annotation",
    ["dict[str, Other]", Dict[str, "Other"], "A | B", "list[list[A]]", "list[", 3],  # noqa: UP006
)
def test_what_is_no_relationship_is_refused_with_the_forms_to_write(annotation: Any) -> None:
    with pytest.raises(
        ModelError,
        match=r'Task.other is not readable .* Write other: "Other", "Other \| None" or list\["Other"\]',
    ):
        cast(Any, type(Model))(
            "Task",
            (Model,),
            {"__annotations__": {"other": annotation}, "other": Relationship(), "__module__": __name__},
        )


async def test_all_spellings_work_together(face: Face) -> None:
    class Base(Model, registry=registry()):
        pass

    class Owner(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        cats: "list[Cat]" = Relationship(back_populates="owner")
        dogs: List["Dog"] = Relationship(back_populates="owner")  # noqa: UP006
        chip: "Chip | None" = Relationship(back_populates="owner")

    class Cat(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int = Field(foreign_key="owner.id")
        owner: Owner = Relationship(back_populates="cats")

    class Dog(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int | None = Field(default=None, foreign_key="owner.id")
        owner: Optional["Owner"] = Relationship(back_populates="dogs")

    class Chip(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int = Field(foreign_key="owner.id", unique=True)
        owner: "Owner" = Relationship(back_populates="chip")

    await face.create_all(Base.metadata)
    async with face.transaction() as session:
        session.add(Owner(cats=[Cat(), Cat()], dogs=[Dog()], chip=Chip()))
    async with face.transaction() as session:

        def look(sync: Any) -> tuple[int, int, bool]:
            owner = sync.exec(select(Owner)).one()
            return len(owner.cats), len(owner.dogs), owner.chip.owner is owner

        assert await face.run(session, look) == (2, 1, True)


# Derivation


async def test_a_table_that_points_to_itself_needs_no_remote_side(face: Face) -> None:
    class Base(Model, registry=registry()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        parent_id: int | None = Field(default=None, foreign_key="task.id")
        parent: Optional["Task"] = Relationship(back_populates="subtasks")
        subtasks: list["Task"] = Relationship(back_populates="parent")

    await face.create_all(Base.metadata)
    async with face.transaction() as session:
        session.add(Task(id=1, subtasks=[Task(id=2, subtasks=[Task(id=3)])]))
    async with face.transaction() as session:

        def look(sync: Any) -> Any:
            middle = sync.get(Task, 2)
            return middle.parent.id, [each.id for each in middle.subtasks]

        assert await face.run(session, look) == (1, [3])


def test_several_keys_to_the_own_table_are_told_apart_by_name() -> None:
    class Base(Model, registry=registry()):
        pass

    class Node(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        parent_id: int | None = Field(default=None, foreign_key="node.id")
        next_id: int | None = Field(default=None, foreign_key="node.id", unique=True)
        parent: Optional["Node"] = Relationship(back_populates="children")
        children: list["Node"] = Relationship(back_populates="parent")
        next: Optional["Node"] = Relationship(back_populates="previous")
        previous: Optional["Node"] = Relationship(back_populates="next")

    configure(Base)
    assert columns_of(Node, "parent") == ({"parent_id"}, {"id"})
    assert columns_of(Node, "children") == ({"id"}, {"parent_id"})
    assert columns_of(Node, "next") == ({"next_id"}, {"id"})
    assert columns_of(Node, "previous") == ({"id"}, {"next_id"})


def test_several_keys_to_one_table_are_told_apart_by_name_or_by_the_explicit_other_end() -> None:
    class Base(Model, registry=registry()):
        pass

    class User(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        written: list["Post"] = Relationship(back_populates="author")
        made: list["Post"] = Relationship(back_populates="creator")

    class Post(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        author_id: int = Field(foreign_key="user.id")
        created_by: int = Field(foreign_key="user.id")
        author: User = Relationship(back_populates="written")
        creator: User = Relationship(
            back_populates="made", sa_relationship_kwargs={"foreign_keys": "[Post.created_by]"}
        )

    configure(Base)
    assert columns_of(User, "written")[1] == {"author_id"}
    assert columns_of(User, "made")[1] == {"created_by"}
    assert columns_of(Post, "author")[0] == {"author_id"}


def test_an_ambiguous_key_is_refused_with_the_candidates_and_the_line_to_write() -> None:
    class Base(Model, registry=registry()):
        pass

    class User(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Post(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        made_by: int = Field(foreign_key="user.id")
        read_by: int = Field(foreign_key="user.id")
        person: User = Relationship()

    with pytest.raises(ModelError) as refused:
        configure(Base)
    assert str(refused.value) == (
        "Post.person could use any of these foreign keys: Post.made_by; Post.read_by. Name the relationship "
        'after its key, or write person: ... = Relationship(sa_relationship_kwargs={"foreign_keys": '
        '"[Post.made_by]"}).'
    )


def test_a_missing_key_is_refused_with_the_line_to_add() -> None:
    class Base(Model, registry=registry()):
        pass

    class User(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        posts: list["Post"] = Relationship()

    class Post(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)

    with pytest.raises(
        ModelError,
        match=r'leads from Post to User. Add to Post: user_id: int = Field\(foreign_key="user.id"\)',
    ):
        configure(Base)


def test_a_name_that_is_no_model_is_refused_with_those_that_are() -> None:
    class Base(Model, registry=registry()):
        pass

    class User(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        posts: list["Poste"] = Relationship()  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ModelError, match=r"User names 'Poste', which is no model. Models are: User"):
        configure(Base)


def test_two_ends_that_do_not_know_of_each_other_are_refused() -> None:
    class Base(Model, registry=registry()):
        pass

    class User(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        posts: list["Post"] = Relationship()

    class Post(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        user_id: int = Field(foreign_key="user.id")
        user: User = Relationship()

    with pytest.raises(
        ModelError, match=r'Write back_populates="user" on User.posts and back_populates="posts" on Post.user'
    ):
        configure(Base)


def test_one_end_alone_is_legitimate_and_so_are_two_over_different_keys() -> None:
    class Base(Model, registry=registry()):
        pass

    class User(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        home_id: int | None = Field(default=None, foreign_key="place.id")
        home: Optional["Place"] = Relationship()

    class Place(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        keeper_id: int | None = Field(default=None, foreign_key="user.id")
        keeper: Optional["User"] = Relationship()

    configure(Base)
    assert columns_of(User, "home")[0] == {"home_id"}
    assert columns_of(Place, "keeper")[0] == {"keeper_id"}


def test_a_relationship_of_a_mixin_belongs_to_each_table() -> None:
    class Base(Model, registry=registry()):
        pass

    class User(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Owned(Base):
        owner_id: int | None = Field(default=None, foreign_key="user.id")
        owner: Optional["User"] = Relationship()

    class Cat(Owned, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Dog(Owned, table=True):
        id: int | None = Field(default=None, primary_key=True)

    configure(Base)
    user = User()
    assert Cat(owner=user).owner is Dog(owner=user).owner is user
