"""Source to syntax tree, whatever Python runs the check.

The running interpreter's own parser is ten times as fast as any other that yields a tree of use to
Python code, and understands all older syntax. What it refuses may be newer syntax, which
`fieldstone.check.grammar` respells for it; what it still refuses is unparsable.
"""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import Path

from fieldstone.check.grammar import older, with_older_statements

# A file of this size is data that happens to be Python; walking it tells nothing about sessions.
LARGEST = 4_000_000


@dataclass(frozen=True, slots=True)
class Unparsable(Exception):
    """A file that is no Python of any version: where, and what stands in the way."""

    line: int
    reason: str


def read(path: Path) -> str:
    """Read a source file in the encoding it declares."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unparsable(1, f"cannot be read: {error.strerror}") from error
    return decoded(content)


def decoded(content: bytes) -> str:
    """Decode source as Python would; line ends become newlines."""
    if len(content) > LARGEST:
        raise Unparsable(1, f"is larger than {LARGEST // 1_000_000} MB")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise Unparsable(1, f"cannot be decoded: {error}") from error
    return plain(text)


def plain(text: str) -> str:
    """Leave out a byte order mark, and make line ends newlines."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def rewrite(path: Path, text: str) -> None:
    """Write a file anew, in the encoding and with the line ends that it had."""
    before = path.read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(before).readline)
    if b"\r\n" in before:
        text = text.replace("\n", "\r\n")
    path.write_bytes(text.encode(encoding))


def parse(source: str) -> ast.Module:
    """Parse source of any Python 3 into the standard library's tree."""
    try:
        return parsed(source)
    except SyntaxError as error:
        return otherwise(source, error)
    except ValueError as error:
        raise Unparsable(1, str(error)) from error
    except (RecursionError, MemoryError) as error:
        raise Unparsable(1, "is nested too deeply") from error


def otherwise(source: str, refused: SyntaxError) -> ast.Module:
    """Parse what was refused as newer syntax; the first complaint stands if that fails as well."""
    for respelled in (with_older_statements, older):
        try:
            return parsed(respelled(source))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    raise Unparsable(refused.lineno or 1, refused.msg) from refused


def parsed(source: str) -> ast.Module:
    """Run the interpreter's parser; what it warns of is not this program's business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)
