"""SQLModel made production-grade: one set of models, from schema to API, sync and async.

The public names stand in `face`, and all their rooms are imported when the first of them is asked for: some
listen for what the models of others do, so they come together. What needs none of them starts without:
commands, the pytest plugin, and the guard, which also runs on an SQLAlchemy older than the rest bears.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fieldstone.face import *  # noqa: F403  # the names are listed once, in __all__ there
else:

    def __getattr__(name):
        """Take a name from the face, and keep it."""
        from importlib import import_module

        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module("fieldstone.face"), name)
        return value

    def __dir__():
        return sorted({*globals(), *__getattr__("__all__")})
