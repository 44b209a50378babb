"""One schema object from values that a database gave.

A row that breaks the schema's rules was written by another program. It is logged and given as
stored, so that it does not hide the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fieldstone.reading.twins import twin

SchemaT = TypeVar("SchemaT", bound=BaseModel)

logger = logging.getLogger("fieldstone")


def object_of(
    schema: type[SchemaT],
    values: dict[str, Any],
    *,
    subject: str,
    as_stored: Callable[[dict[str, Any]], SchemaT] | None = None,
) -> SchemaT:
    """Make the object by the schema's own rules; objects among the values stay the objects they are.

    `as_stored` makes it without the rules, where the values hold more than one row.
    """
    try:
        made: SchemaT = twin(schema).validate_python(values, by_name=True, by_alias=False)
        return made
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        # what is wrong without the values, which may be private
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
        logger.warning("%s does not fit %s and is given as stored: %s", subject, schema.__name__, wrong)
        return schema.model_construct(**values) if as_stored is None else as_stored(values)
