"""The task app stands on what anybody may use."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fieldstone
import fieldstone.fastapi
import fieldstone.guard
import fieldstone.migrations
import fieldstone.template

FILES = sorted(Path(str(fieldstone.template.__file__)).parent.glob("*.py"))
FACES = (fieldstone, fieldstone.fastapi, fieldstone.guard, fieldstone.migrations)
PUBLIC = {face.__name__: set(face.__all__) for face in FACES}


def imports(file: Path) -> Iterator[tuple[str, str]]:
    """Yield every (module, name) that a file imports from Fieldstone."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", name.name) for name in node.names)
        elif isinstance(node, ast.Import):
            yield from ((name.name, "") for name in node.names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_imports_public_names_only(file: Path) -> None:
    for module, name in imports(file):
        if module.startswith("fieldstone.template"):
            continue
        assert not name.startswith("_"), f"{file.name} imports {module}.{name}"
        if module.split(".")[0] == "fieldstone":
            assert name in PUBLIC.get(module, set()), f"{module}.{name} is not public"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_reaches_for_no_underscored_attribute(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    reached = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    own = [node for node in reached if isinstance(node.value, ast.Name) and node.value.id == "self"]
    assert [node.attr for node in reached if node.attr.startswith("_") and node not in own] == []


def test_every_file_was_looked_at() -> None:
    assert {"app.py", "api.py", "pages.py", "models.py", "schemas.py"} <= {file.name for file in FILES}
