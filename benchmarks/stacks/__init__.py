"""The stacks: one file for each library, written as its own users write it.

A file is imported only in the process that runs its stack.
"""

from __future__ import annotations

import importlib
from typing import Final

from benchmarks.stacks.stack import Stack

# What a stack is called, and where it is.
STACKS: Final = {
    "s1": "documents:Documents",
    "s7": "driver:Driver",
    "s7-fastapi": "behind_fastapi:DriverBehindFastApi",
    "fieldstone": "fieldstone.asynchronous:Bytes",
    "fieldstone-rows": "fieldstone.asynchronous:BytesOfRows",
    "fieldstone-json": "fieldstone.asynchronous:BytesByDatabase",
    "fieldstone-sync": "fieldstone.synchronous:SyncBytes",
    "fieldstone-objects": "fieldstone.asynchronous:Objects",
    "fieldstone-objects-sync": "fieldstone.synchronous:SyncObjects",
    "fieldstone-routes": "fieldstone.generated:Routes",
    "fieldstone-routes-sync": "fieldstone.generated:SyncRoutes",
    "advanced-alchemy": "peers.advanced_alchemy:AdvancedAlchemyStack",
    "fastcrud": "peers.fastcrud:FastCrudStack",
    "fastapi-restly": "peers.fastapi_restly:RestlyStack",
    "django-ninja": "peers.django_ninja:NinjaStack",
    "drf": "peers.drf:DrfStack",
}


def stack_named(name: str) -> Stack:
    """Make a stack by its name, or by `module:Class` for one that is not in the list."""
    place = STACKS.get(name)
    module, _, kind = ((place and f"benchmarks.stacks.{place}") or name).partition(":")
    made: Stack = getattr(importlib.import_module(module), kind)()
    return made


__all__ = ["STACKS", "Stack", "stack_named"]
