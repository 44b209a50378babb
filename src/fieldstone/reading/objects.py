"""One schema object from values that a database gave.

A row that breaks the schema's rules was written by another program. It is logged and given as
stored, so that it does not hide the others.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fieldstone.reading.twins import twin

SchemaT = TypeVar("SchemaT", bound=BaseModel)

logger = logging.getLogger("fieldstone")


def object_of(schema: type[SchemaT], values: Mapping[str, Any], *, subject: str) -> SchemaT:
    """Make the object by the schema's own rules; objects among the values stay the objects they are."""
    try:
        made: SchemaT = twin(schema).validate_python(dict(values), by_name=True, by_alias=False)
        return made
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        # what is wrong without the values, which may be private
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
        logger.warning("%s does not fit %s and is given as stored: %s", subject, schema.__name__, wrong)
        return schema.model_construct(**values)
