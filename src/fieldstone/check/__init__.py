"""Find the known pitfalls of SQLModel, SQLAlchemy and FastAPI in source, without importing it.

    fieldstone check src

- `parsing`, `gathering`: files to trees, trees to facts: what binds names in `outlines`, calls in `making`,
  what the text alone tells in `searching`.
- `memory`, `addresses`, `project`: what was learnt and from which files, what names mean, all files as one;
  `shelf`: the trees that there is room for.
- `models`, `values`, `events`: what a model is, what a value is, what happens in a function.
- `evaluation`, `flow`, `analysis`: expressions, statements, and calls between functions; `constructing`:
  calls of classes and libraries; `callers`: what a function is given by those that call it.
- `rules`: what is a mistake. A rule is one function; the guide stands there. `repairs`: edits of several.
- `running`: paths to findings; `processes`: in several at once; `cache`: what the last run learnt.
- `workspace`: again and again, for `watching` and for the `languageserver`.
"""
