'''The rules, one module for each group; every module here is loaded, none is listed anywhere.

How to add a rule
-----------------
Write a function in the module of its group (or a new module), and `tests/check/cases/FSnnn.md`.
Nothing else is edited: the command and the tests find both, and
`python -m fieldstone.check.pages docs` writes the rule's page.

    @rule("FS103", "create-all-on-async-engine", Called, severity=Severity.ERROR, repair=Repair.SAFE)
    def create_all_on_async_engine(call: Called, file: File) -> Iterator[Problem]:
        """`create_all` cannot run on an asynchronous engine.

        Why it matters, in a sentence or two: what happens at run time, with the exception's name.

        Bad:
            SQLModel.metadata.create_all(async_engine)

        Good:
            async with async_engine.begin() as connection:
                await connection.run_sync(SQLModel.metadata.create_all)

        Fine:
        When it looks alike and is right (optional).
        """
        if call.method == "create_all" and call.arguments[:1] == (Engine(True),):
            yield Problem(call.node, "AttributeError ...", "Write `...`.")

A rule is about subjects; it is called once for each in a file:

- `ast.Call`, `ast.ClassDef`, ...: each such node of the tree. `file.module.address(node)` says what a
  name or dotted name means at the top of the module (`sqlmodel.Session`, `app.models:Task`), through
  imports, aliases and re-exports; `file.module.parents` and `.above(node)` lead upwards.
- `Model`: each class of the file that is a table, a model or a schema. `columns`, `relations`,
  `own_columns`, `own_relations`, `table`, `schema`, `open` (a base cannot be seen: be silent about what
  is missing), `tables_below`, `tablename`. `tables(project)` lists all tables.
- Events, in the order in which a function runs, each with its place (`place.function`, `place.loops`,
  `place.handler`) and the state at that point (`fieldstone.check.events`):
  `Called` (any call: `address`, or `method` and `receiver`, values of arguments, `awaited`),
  `Read` and `Written` (an attribute of an instance of a table; `thing.expired`, `thing.has(relation)`,
  `thing.status`, `session`), `RowRead` (an attribute of a row that holds one entity), `Made` (a table's
  class is called), `Returned`, `Forgotten` (a coroutine that nothing awaits), `Awaited`.
- `Function`: each function and method. `route_of(function)` says whether it serves a request;
  `file.analysis.summary(function)` what it surely does and gives.
- `Module`: once a file, for what is about its text.

What is known of a value is one of the classes of `fieldstone.check.values`; UNKNOWN means be silent.
Facts of the whole project: `file.project.versions` (of SQLModel, SQLAlchemy, drivers), `.expires(...)`,
`.schemes` (database URLs), `.makers` (session factories), `.assigned`, `.subclasses`.

Yield `Problem(node, message, remedy, fix)`. The message is one sentence of what happens at run time;
the remedy one of what to write instead, ready to paste. A fix is made of `file.module.replace`,
`.insert_before`, `.insert_after` and what `fieldstone.check.repairs` holds; it is safe only if meaning
surely stays or the code never worked. Doubt means silence: a rule that cries wolf is turned off, with
all the others.

Cases
-----
`tests/check/cases/FSnnn.md` holds at least six cases: a heading, then files. Lines on which the rule
must speak end in `# <- FSnnn`; every other line must stay silent.

    ## An instance is read after a commit that expires it

    ```python app/routes.py
    await session.commit()
    return task.title  # <- FS204
    ```

A `toml pyproject.toml` block (or any lock file) says which versions are installed. Where a rule has a
fix, a block `fixed app/routes.py` holds the file after it.
'''

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from fieldstone.check.registry import RULES, Rule


@cache
def rules() -> dict[str, Rule]:
    """Load every module of this package, and give all rules by their code."""
    for found in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{found.name}")
    return dict(sorted(RULES.items()))
