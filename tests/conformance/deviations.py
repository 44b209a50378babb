"""Where Fieldstone does not do what SQLModel's own tests ask for, and why.

This is the whole list. A test that stands here must fail, and every other must pass: a deviation
that is gone must leave the list, and a new one must be explained before it can enter.

There are four runs. Two leave upstream's models as they are and try our engines and sessions;
two also put Model in the place of SQLModel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EVERYWHERE = ("sqlite", "postgresql", "model-sqlite", "model-postgresql")
ON_POSTGRESQL = ("postgresql", "model-postgresql")
WITH_SQLMODEL = ("sqlite", "postgresql")
WITH_MODEL = ("model-sqlite", "model-postgresql")


@dataclass(frozen=True)
class Deviation:
    """Tests that fail for one reason, and the runs in which they do."""

    reason: str
    runs: Sequence[str]
    tests: Sequence[str]


OUT_OF_SCOPE = {
    "tests/test_docs_cleanup.py": "tests a script that tidies SQLModel's repository",
    "tests/test_prepare_release.py": "tests a script that releases SQLModel",
    "tests/test_select_gen.py": "tests a script that generates SQLModel's source",
}

DATETIME = "tests/test_datetime.py"
TUTORIAL = "tests/test_tutorial"
REFRESH = f"{TUTORIAL}/test_automatic_id_none_refresh/test_tutorial001_tutorial002.py"
UNLINKED = f"{TUTORIAL}/test_relationship_attributes/test_back_populates/test_tutorial001.py"
FASTAPI = f"{TUTORIAL}/test_fastapi"


def _datetime_types(*kinds: str) -> list[str]:
    return [
        f"{DATETIME}::test_datetime_types[{kind}-{nullable}]" for kind in kinds for nullable in (False, True)
    ]


DEVIATIONS = (
    # Engines and sessions
    Deviation(
        "Asks that an object dumps as {} right after commit, because its values were thrown away. "
        "Ours keeps them: sessions have expire_on_commit=False.",
        runs=EVERYWHERE,
        tests=[f"{REFRESH}::test_tutorial_001_tutorial_002[tutorial00{number}]" for number in (1, 2)],
    ),
    Deviation(
        "Shows what a missing back_populates costs: moving a hero leaves the old team's list as it was, "
        "until commit throws it away and it is loaded again. With expire_on_commit=False it stays as it "
        "was until session.refresh(team). Two sides that are linked do not differ.",
        runs=WITH_SQLMODEL,
        tests=[f"{UNLINKED}::test_tutorial[tutorial001]"],
    ),
    Deviation(
        "Is about SQLite alone: its column types, its way to declare a key, or the text of its SQL.",
        runs=ON_POSTGRESQL,
        tests=[
            f"{DATETIME}::test_sqlite_explicit_datetime_bypasses_utc_processing[False]",
            f"{DATETIME}::test_sqlite_explicit_datetime_bypasses_utc_processing[True]",
            f"{DATETIME}::test_existing_sqlite_utc_data",
            "tests/test_nullable.py::test_sqlite_nullable_primary_key",
            f"{TUTORIAL}/test_create_db_and_table/test_tutorial001.py::test_create_db_and_table[tutorial001]",
        ],
    ),
    # Model: what it validates
    Deviation(
        "Makes an empty instance of a table whose fields are required, and fills it afterwards. "
        "Model validates a table when it is made.",
        runs=WITH_MODEL,
        tests=["tests/test_instance_no_args.py::test_allow_instantiation_without_arguments"],
    ),
    Deviation(
        "Expects pydantic.ValidationError where a table refuses a value. Tables raise InvalidValues, "
        "which is a ValueError too; schemas raise ValidationError.",
        runs=WITH_MODEL,
        tests=[
            *_datetime_types("AwareDatetime-True-timezone_aware", "NaiveDatetime-False-timezone_naive"),
            *_datetime_types(*(f"Annotated-True-timezone_aware{number}" for number in range(4))),
            *_datetime_types(*(f"Annotated-False-timezone_naive{number}" for number in range(4))),
            "tests/test_advanced/test_datetime/test_tutorial002.py::test_tutorial[tutorial002]",
            "tests/test_advanced/test_datetime/test_tutorial005.py::test_tutorial[tutorial005]",
        ],
    ),
    Deviation(
        "Gives a naive datetime to a model that stores aware ones, and expects an error from the first "
        "statement, or none. Model refuses it at once.",
        runs=WITH_MODEL,
        tests=[
            *_datetime_types("datetime-True-None", "Annotated-True-None"),
            *(
                f"{DATETIME}::test_naive_database_parameters[{operation}-{offset}]"
                for operation in ("insert", "update", "filter")
                for offset in ("None", "offset1")
            ),
            "tests/test_fields_set.py::test_fields_set",
        ],
    ),
    Deviation(
        "Asks that an aware datetime keeps its offset until it is loaded again. Model turns it into UTC "
        "when it comes in, so that an instance reads the same before and after.",
        runs=WITH_MODEL,
        tests=[f"{DATETIME}::test_datetime_round_trip"],
    ),
    Deviation(
        "Sends a key that the model does not have, and asks that it is dropped in silence. Model refuses "
        "unknown keys. (The FastAPI examples would go on to differ in their OpenAPI, as below.)",
        runs=WITH_MODEL,
        tests=[
            "tests/test_update.py::test_sqlmodel_update",
            "tests/test_aliases.py::test_create_with_both_prefers_alias[SQLModelUserWithConfig]",
            "tests/test_aliases.py::test_alias_plus_validation_alias_prefers_validation_alias_sqlmodel_v2",
            f"{FASTAPI}/test_delete/test_tutorial001.py::test_tutorial[tutorial001]",
            f"{FASTAPI}/test_limit_and_offset/test_tutorial001.py::test_tutorial[tutorial001]",
            f"{FASTAPI}/test_multiple_models/test_tutorial001.py::test_tutorial[tutorial001]",
            f"{FASTAPI}/test_multiple_models/test_tutorial002.py::test_tutorial[tutorial002]",
            f"{FASTAPI}/test_read_one/test_tutorial001.py::test_tutorial[tutorial001]",
            f"{FASTAPI}/test_session_with_dependency/test_tutorial001.py::test_tutorial[tutorial001]",
            f"{FASTAPI}/test_teams/test_tutorial001.py::test_tutorial[tutorial001]",
            f"{FASTAPI}/test_update/test_tutorial001.py::test_tutorial[tutorial001]",
            f"{FASTAPI}/test_update/test_tutorial002.py::test_tutorial[tutorial002]",
        ],
    ),
    Deviation(
        "Sends an unknown key, as above; and goes on to delete a team that has heroes, whose team_id "
        "SQLModel then sets to NULL. Model leaves that to the declared ondelete; there is none, so the "
        "database refuses.",
        runs=WITH_MODEL,
        tests=[f"{FASTAPI}/test_relationships/test_tutorial001.py::test_tutorial[tutorial001]"],
    ),
    # Model: what it declares
    Deviation(
        "Compares a JSON schema as a whole. Ours says more: additionalProperties is false, and an integer "
        "has the bounds of its column.",
        runs=WITH_MODEL,
        tests=[
            "tests/test_enums.py::test_json_schema_flat_model_pydantic_v2",
            "tests/test_enums.py::test_json_schema_inherit_model_pydantic_v2",
            f"{FASTAPI}/test_response_model/test_tutorial001.py::test_tutorial[tutorial001]",
            f"{FASTAPI}/test_simple_hero_api/test_tutorial001.py::test_tutorial[tutorial001]",
        ],
    ),
    Deviation(
        "Expects a type of the database for each Enum, or a VARCHAR as long as its longest name. Model "
        "stores an Enum's values as text with a named CHECK, which can be altered.",
        runs=WITH_MODEL,
        tests=["tests/test_enums.py::test_postgres_ddl_sql", "tests/test_enums.py::test_sqlite_ddl_sql"],
    ),
    Deviation(
        "Expects ValueError for a field that no column can hold. Model refuses it as well, with a "
        "ModelError that says what to write instead.",
        runs=WITH_MODEL,
        tests=[
            f"tests/test_sqlalchemy_type_errors.py::test_type_{kind}_breaks"
            for kind in ("list", "dict", "union")
        ],
    ),
    Deviation(
        "Shows what a missing back_populates costs. Model refuses two ends of one relationship that do "
        "not know of each other.",
        runs=WITH_MODEL,
        tests=[f"{UNLINKED}::test_tutorial[tutorial001]"],
    ),
)


def declared(run: str) -> dict[str, str]:
    """Give the reason for each test that deviates in this run."""
    here = [deviation for deviation in DEVIATIONS if run in deviation.runs]
    return {test: deviation.reason for deviation in here for test in deviation.tests}
