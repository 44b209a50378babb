"""Newer syntax, written in the older way at the same place.

The interpreter's own parser reads all older syntax, and none that is newer than itself. There is not
much of that, and none of it matters to a rule, so it is respelled where it stands: lines stay lines,
and columns nearly always stay columns.

- 3.12: `type X = ...`, `class A[T]`, `def f[T]()` (PEP 695), and f-strings that hold their own quotes,
  backslashes, comments and line ends (PEP 701).
- 3.13: defaults of type parameters (PEP 696).
- 3.14: `except A, B:` (PEP 758), and t-strings (PEP 750).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

STRING = r"(?<![\w])([rRbBuUfFtT]{0,3})('''|\"\"\"|'|\")"
PREFIX = re.compile(STRING)
NEXT = re.compile(rf"#|{STRING}")
ORDINARY = re.compile(r"[^\\'\"\n]+")
EXCEPT = re.compile(r"^([ \t]*)except(\*?)[ \t]+([\w.]+(?:[ \t]*,[ \t]*[\w.]+)+)([ \t]*):", re.MULTILINE)
GENERIC = re.compile(r"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+\w+[ \t]*\[", re.MULTILINE)
ALIAS = re.compile(r"^([ \t]*)type([ \t]+)(\w+)([ \t]*)(?=[\[=])", re.MULTILINE)
BRACKETS = {"(": ")", "[": "]", "{": "}"}


def older(source: str) -> str:
    """Write newer syntax in the older way."""
    return with_older_statements(Scanner(source).respelled())


def with_older_statements(source: str) -> str:
    """Write newer statements in the older way; strings, which take much longer to find, stay as they are."""
    respelled = EXCEPT.sub(bracketed, source)
    respelled = ALIAS.sub(assigned, respelled)
    return without_parameters(respelled)


def bracketed(found: re.Match[str]) -> str:
    """Put brackets around the types of an `except`, in the room that its blanks leave."""
    indent, star, types, _ = found.groups()
    names = ",".join(part.strip() for part in types.split(","))
    room = len(found[0]) - len(f"{indent}except{star}({names}):")
    return f"{indent}except{star}({names}){' ' * max(room, 0)}:"


def assigned(found: re.Match[str]) -> str:
    """Make a type alias an assignment."""
    indent, blanks, name, after = found.groups()
    return f"{indent}{name}{' ' * (len('type') + len(blanks))}{after}"


def without_parameters(source: str) -> str:
    """Blank the type parameters of classes, functions and aliases."""
    starts = [found.end() - 1 for found in GENERIC.finditer(source)]
    starts += [found.end() - 1 for found in re.finditer(r"^[ \t]*\w+ {5,}[ \t]*\[", source, re.MULTILINE)]
    for start in starts:
        end = closing(source, start)
        if end is not None:
            source = source[:start] + blank(source[start:end]) + source[end:]
    return source


def blank(text: str) -> str:
    """Blanks in the place of text; its line ends are continued."""
    *lines, last = text.split("\n")
    return "".join(f"{' ' * (len(line) - 1)}\\\n" for line in lines) + " " * len(last)


def closing(source: str, start: int) -> int | None:
    """Find the end of what an opening bracket begins; None if it has none."""
    depth = 0
    for place in range(start, len(source)):
        if source[place] in BRACKETS:
            depth += 1
        elif source[place] in BRACKETS.values():
            depth -= 1
            if not depth:
                return place + 1
    return None


@dataclass
class Scanner:
    """Walks source by its strings, and respells those that only newer Pythons read."""

    source: str
    place: int = 0
    written: list[str] = field(default_factory=list)

    def respelled(self) -> str:
        """The whole source."""
        while found := NEXT.search(self.source, self.place):
            self.copy(found.start())
            if found[0] == "#":
                self.copy(self.line_end())
            else:
                self.written.append(self.string(found, ()))
        self.copy(len(self.source))
        return "".join(self.written)

    def copy(self, end: int) -> None:
        """Keep the source up to a place."""
        self.written.append(self.source[self.place : end])
        self.place = end

    def line_end(self) -> int:
        """The end of the line."""
        end = self.source.find("\n", self.place)
        return len(self.source) if end < 0 else end

    def string(self, opened: re.Match[str], around: tuple[str, ...]) -> str:
        """Read one string; `around` are the quotes of the f-strings that it stands in."""
        prefix, quote = opened.groups()
        start, self.place = self.place, opened.end()
        if not set(prefix.lower()) & {"f", "t"}:
            self.skip_plain(quote, raw="r" in prefix.lower())
            text = self.source[start : self.place]
            return text if fits(text, around) else plain(len(text), around)
        kept = [prefix.translate(str.maketrans("tT", "fF")), quote]
        while self.place < len(self.source) and not self.source.startswith(quote, self.place):
            kept.append(self.piece(quote, around, raw="r" in prefix.lower()))
        self.place += len(quote)
        inside = "".join(kept[2:])
        if not fits(quote + inside, around):
            return plain(self.place - start, around)
        if len(quote) == 1 and "\n" in inside.replace("\\\n", ""):
            quote = quote * 3
        return kept[0] + quote + inside + quote

    def skip_plain(self, quote: str, raw: bool) -> None:
        """Go to the end of a string without interpolation; a backslash takes the next character along."""
        while self.place < len(self.source) and not self.source.startswith(quote, self.place):
            if len(quote) == 1 and self.source[self.place] == "\n":
                return
            ordinary = ORDINARY.match(self.source, self.place)
            self.place = ordinary.end() if ordinary else self.place + 1 + (self.source[self.place] == "\\")
        self.place += len(quote)

    def piece(self, quote: str, around: tuple[str, ...], raw: bool) -> str:
        """Read a piece of an f-string: a character, a doubled brace, or an interpolation."""
        two = self.source[self.place : self.place + 2]
        if two in {"{{", "}}"}:
            self.place += 2
            return two
        if two.startswith("\\") and not two.startswith("\\{"):
            self.place += 2
            return two
        if two.startswith("{"):
            self.place += 1
            return "{" + self.interpolation((*around, quote))
        self.place += 1
        return two[:1]

    def interpolation(self, around: tuple[str, ...]) -> str:
        """Read up to the closing brace; strings inside get quotes that are not around them."""
        kept: list[str] = []
        depth = 0
        while self.place < len(self.source):
            character = self.source[self.place]
            if found := PREFIX.match(self.source, self.place):
                kept.append(self.string(found, around))
                continue
            if character == "#":
                end = self.line_end()
                kept.append(" " * (end - self.place))
                self.place = end
                continue
            self.place += 1
            kept.append(character)
            if character == ":" and not depth:
                kept.append(self.specification(around))
                continue
            depth += (character in BRACKETS) - (character in BRACKETS.values())
            if depth < 0:
                break
        return "".join(kept)

    def specification(self, around: tuple[str, ...]) -> str:
        """Read a format specification, up to the brace that closes the interpolation."""
        kept: list[str] = []
        while self.place < len(self.source) and self.source[self.place] != "}":
            if self.source[self.place] == "{":
                self.place += 1
                kept.append("{" + self.interpolation(around))
            else:
                kept.append(self.source[self.place])
                self.place += 1
        return "".join(kept)


def fits(text: str, around: tuple[str, ...]) -> bool:
    """Whether a string can stand inside these f-strings of older Pythons."""
    return not around or not ("\\" in text or any(quote[0] in text for quote in around) or "\n" in text)


def plain(length: int, around: tuple[str, ...]) -> str:
    """A string of the same length whose quotes are not around it."""
    free = [quote for quote in ("'", '"') if all(quote != taken[0] for taken in around)]
    return free[0] + "x" * (length - 2) + free[0] if free else "0" + " " * (length - 1)
