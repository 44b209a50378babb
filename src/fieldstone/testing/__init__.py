"""For tests of code that uses Fieldstone: what the pytest plugin's fixtures do, and what tests call.

`lending` gives a test its database, made by `templates` and `postgres_templates`: `isolation` undoes
what it does, `loops` closes what it opened. `applications` puts an application on that database,
`clients` and `lifespans` talk to it. `factories` makes rows. `postgres` finds or starts a server.

pytest imports the plugin in every run, so the public names, which stand in `face`, are imported when
the first of them is asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fieldstone.testing.face import *  # noqa: F403  # the names are listed once, in __all__ there
else:

    def __getattr__(name):
        """Take a name from the face, and keep it."""
        from importlib import import_module

        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module("fieldstone.testing.face"), name)
        return value
