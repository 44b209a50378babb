"""The task app: projects, tasks with subtasks, and the people and agents who work on them.

It shows how an application is written with Fieldstone, and uses nothing but public names:

    models.py    the tables
    migrations/  how they came to be what they are, a revision for each change
    tables.py    a database's tables, brought up to date
    schemas.py   what comes in and what goes out; the reads follow from it
    resources.py what each list may be asked for
    actors.py    in whose name a request changes something
    board.py     the queries behind the board, and what moving and claiming a task means
    timelines.py what happened to a task, in words
    api.py       the routes under /api
    pages.py     the pages for a browser, with task_pages.py, over asking.py, forms.py and html.py
    app.py       all of it, put together
    seed.py      demo data
    __main__.py  `python -m fieldstone.template`
"""

from fieldstone import MissingExtra

try:
    import jinja2 as _jinja2  # noqa: F401
    import python_multipart as _python_multipart  # noqa: F401
    import rich as _rich  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtra("The task app", module=str(error.name), extra="template") from error
