"""What is public: sorted, taken from the rooms, and all that the template and other modules use."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import fieldstone
from tests.imports import FILES, PACKAGE, Import, file_name, imports, parsed, room_of


@pytest.mark.parametrize("file", FILES, ids=file_name)
def test_no_module_takes_a_private_name_of_another(file: Path) -> None:
    taken = [str(one) for one in imports(file) if one.library == "fieldstone" and private(one)]
    assert not taken


def private(one: Import) -> bool:
    return any(
        part.startswith("_")
        for part in (*one.module.split("."), one.name or "")
        if part not in ("__version__", "__all__")
    )


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) == "template"], ids=file_name)
def test_the_template_takes_public_names_only(file: Path) -> None:
    for one in imports(file):
        if one.library == "fieldstone" and one.room != "template":
            public = importlib.import_module(one.module).__all__
            assert one.name in public, f"{one} is not public"


@pytest.mark.parametrize("module", ["fieldstone.face", "fieldstone.fastapi", "fieldstone.testing.face"])
def test_public_names_are_sorted_and_taken_from_the_rooms(module: str) -> None:
    imported = importlib.import_module(module)
    offered = {one.name for one in imports(Path(str(imported.__file__))) if one.library == "fieldstone"}
    assert imported.__all__ == sorted(imported.__all__)
    assert set(imported.__all__) <= offered


def test_the_face_of_the_package_holds_public_names_and_nothing_else() -> None:
    face = PACKAGE / "face.py"
    assert {one.name for one in imports(face)} == set(importlib.import_module("fieldstone.face").__all__)
    allowed = (ast.Expr, ast.ImportFrom, ast.Assign)
    assert all(isinstance(statement, allowed) for statement in parsed(face).body)


def test_the_package_offers_its_face() -> None:
    face = importlib.import_module("fieldstone.face")
    assert set(face.__all__) <= set(dir(fieldstone))
    assert all(getattr(fieldstone, name) is getattr(face, name) for name in face.__all__)
    with pytest.raises(AttributeError, match="nothing_such"):
        fieldstone.nothing_such  # type: ignore[attr-defined]  # noqa: B018  # it is what must fail


@pytest.mark.parametrize("module", ["fieldstone", "fieldstone.cli", "fieldstone.testing.plugin"])
def test_what_starts_a_process_imports_no_sqlalchemy(module: str) -> None:
    code = f"import sys, {module}; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
