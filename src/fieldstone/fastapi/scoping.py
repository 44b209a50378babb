"""The scope of a resource: asked of its dependency for each request, and said of the request's session.

It is said before the operation begins, so nothing of the operation runs without it.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import Depends

from fieldstone.fastapi.views import AnyResource
from fieldstone.scopes import within

SessionT = TypeVar("SessionT", bound=Any)


def scope_parameters(resource: AnyResource, name: str) -> dict[str, Any]:
    """Give the parameter that takes the scope: a dependency, with whatever that depends on."""
    return {} if resource.scope is None else {name: Annotated[Any, Depends(resource.scope)]}


def scoped(session: SessionT, resource: AnyResource, rows: Any) -> SessionT:
    """Hold a session to the rows that the request may touch; None allows all."""
    if rows is not None:
        within(session, resource.model, rows)
    return session
