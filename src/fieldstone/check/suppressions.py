"""`# noqa` comments: what the author has looked at and keeps."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

from fieldstone.check.findings import Edit, Span
from fieldstone.check.modules import Module

NOQA = re.compile(r"#\s*noqa(?P<codes>\s*:\s*[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*)?", re.IGNORECASE)
CODE = re.compile(r"[A-Z]+[0-9]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Suppressions:
    """The lines that carry `# noqa`, and the codes they name; an empty set names all."""

    lines: dict[int, frozenset[str]]

    @classmethod
    def of(cls, module: Module) -> Suppressions:
        """Find the comments of a file."""
        return cls(dict(comments(module.source)) if "noqa" in module.source.lower() else {})

    def silences(self, code: str, span: Span) -> bool:
        """Whether a finding is silenced on its first or last line."""
        for line in {span.line, span.end_line}:
            named = self.lines.get(line)
            if named is not None and (not named or code in named):
                return True
        return False


def accepting(source: str, span: Span, code: str) -> Edit | None:
    """Write the comment that silences a finding; None where its lines have no room for one."""
    lines = source.split("\n")
    for number in (span.line, span.end_line):
        text = lines[number - 1]
        named = NOQA.search(text)
        if named and named["codes"]:
            edit = Edit(Span(number, named.end() + 1, number, named.end() + 1), f", {code}")
        else:
            edit = Edit(Span(number, len(text.rstrip()) + 1, number, len(text) + 1), f"  # noqa: {code}")
        changed = text[: edit.span.column - 1] + edit.text + text[edit.span.end_column - 1 :]
        after = "\n".join([*lines[: number - 1], changed, *lines[number:]])
        if Suppressions(dict(comments(after))).silences(code, span):
            return edit
    return None


def comments(source: str) -> Iterator[tuple[int, frozenset[str]]]:
    """Read the comments that say noqa; text inside a string is none."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT and (found := NOQA.search(token.string)):
                yield token.start[0], frozenset(code.upper() for code in CODE.findall(found["codes"] or ""))
    except (tokenize.TokenError, SyntaxError):
        return
