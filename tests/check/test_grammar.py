"""Newer syntax is read by whatever interpreter runs the check, at its own lines."""

from __future__ import annotations

import ast

import pytest

from fieldstone.check.grammar import older
from fieldstone.check.parsing import Unparsable, decoded, parse

NEWER = {
    "a type alias": "type Pair[T] = tuple[T, T]\nafter = 1\n",
    "a generic class": "class Box[T: int](Base):\n    pass\nafter = 1\n",
    "a generic class over lines": "class Box[\n    T,  # why\n    U = int,\n](Base):\n    pass\nafter = 1\n",
    "a generic function": "async def first[T](items: list[T]) -> T:\n    return items[0]\nafter = 1\n",
    "several exceptions": "try:\n    pass\nexcept KeyError, app.Error:\n    raise\nafter = 1\n",
    "an f-string with its own quotes": 'said = f"{row[\'a\']} {row["b"]}"\nafter = 1\n',
    "an f-string with a backslash": "said = f\"{'\\n'.join(rows)}\"\nafter = 1\n",
    "an f-string with a comment": 'said = f"""{\n    row  # the row\n}"""\nafter = 1\n',
    "an f-string over lines": 'said = f"{\n    row\n}"\nafter = 1\n',
    "an f-string in an f-string": 'said = f"{f"{f"{1}"}"}"\nafter = 1\n',
    "a template": 'said = t"{row!r:>{width}}"\nafter = 1\n',
}


@pytest.mark.parametrize("source", NEWER.values(), ids=NEWER)
def test_newer_syntax_is_read_and_lines_stay_lines(source: str) -> None:
    last = ast.parse(older(source)).body[-1]
    assert last.lineno == source.count("\n")
    assert parse(source).body[-1].lineno == last.lineno


OLDER = [
    "def f(a, /, *, b): ...",
    "said = f'{a[0]!r:>{width}} {{literal}} {x:%H:%M}'",
    'said = "# no comment" + r"\\d" + b"\\""',
    "x = {'a': [f'{k}={v}' for k, v in d.items()]}",
    "try:\n    pass\nexcept (A, B) as error:\n    pass",
]


@pytest.mark.parametrize("source", OLDER)
def test_older_syntax_is_left_as_it_is(source: str) -> None:
    assert older(source) == source


def test_attributes_in_newer_f_strings_are_still_seen() -> None:
    read = [
        node
        for node in ast.walk(parse('said = f"{task.title + row["a"]}"'))
        if isinstance(node, ast.Attribute)
    ]
    assert [(node.attr, node.lineno, node.col_offset) for node in read] == [("title", 1, 10)]


@pytest.mark.parametrize("source", ["print 'hello'", "def f(:\n", "x = \0", "(" * 5000, "{% if x %}"])
def test_what_is_no_python_is_said_to_be_none(source: str) -> None:
    with pytest.raises(Unparsable) as refused:
        parse(source)
    assert refused.value.line >= 1
    assert refused.value.reason


def test_source_is_read_in_the_encoding_that_it_declares() -> None:
    assert decoded("# coding: latin-1\nname = 'é'".encode("latin-1")).endswith("'é'")
    assert decoded(b"\xef\xbb\xbfa = 1\r\nb = 2\r") == "a = 1\nb = 2\n"
    with pytest.raises(Unparsable, match="cannot be decoded"):
        decoded(b"name = '\xff'")
