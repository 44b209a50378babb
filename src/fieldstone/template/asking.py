"""What the address of a board asks for, in the words of the resource, and what is wrong with it.

A person should not stand before an error because of one word in an address: what the resource
refuses is said and left out, and the rest is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from fieldstone import Filter, InvalidValues, Selection
from fieldstone.template.board import COLUMN_SIZE
from fieldstone.template.forms import SENTENCES
from fieldstone.template.models import Status
from fieldstone.template.resources import tasks

ORDERS = [
    ("", "Urgent first"),
    ("due_date", "Due first"),
    ("-updated_at", "Changed last"),
    ("-created_at", "Newest first"),
    ("-progress_percent", "Furthest along"),
    ("title", "By title"),
]
# What the form above the board can say; everything else that an address may say is kept beside it.
CONTROLS = ("q", "project.slug", "assignments.worker_id", "status", "priority", "due_date__le", "sort")
LARGEST_OFFSET = 100_000
MOST_PROBLEMS = 5


_ON_A_BOARD = Filter("parent_id__is_null", "parent_id", "is_null", True)


@dataclass(frozen=True)
class Asked:
    """Which tasks a board shows, how many it passes over in each column, and what it does not understand."""

    wanted: Selection
    offset: int
    typed: dict[str, str]
    problems: dict[str, str]

    @property
    def narrowed(self) -> bool:
        return bool(str(self.wanted) or self.offset)

    @property
    def export(self) -> str:
        """The address of a file with these tasks; on a board stand no subtasks."""
        shown = replace(self.wanted, filters=(*self.wanted.filters, _ON_A_BOARD))
        return f"/api/tasks.csv?{shown}"

    @property
    def address(self) -> str:
        """The address of the board that shows this."""
        return _address(self.wanted, self.offset)

    @property
    def beside(self) -> list[tuple[str, str]]:
        """What the form has no control for, and should still send."""
        pairs = [pair for one in self.wanted.filters for pair in one.pairs()]
        return [pair for pair in pairs if pair[0] not in CONTROLS]

    @property
    def chips(self) -> list[tuple[Filter | None, str]]:
        """Each condition, the words that are searched as None, with the board's address without it."""
        found: list[tuple[Filter | None, str]] = []
        for one in self.wanted.filters:
            others = tuple(other for other in self.wanted.filters if other is not one)
            found.append((one, _address(replace(self.wanted, filters=others))))
        if self.wanted.words:
            found.append((None, _address(replace(self.wanted, words=(), searched=()))))
        return found

    def turned(self, status: Status, pages: int) -> str:
        """Give the address of another page of one column."""
        others = tuple(one for one in self.wanted.filters if one.path != "status")
        alone = replace(self.wanted, filters=(*others, Filter("status", "status", "eq", status)))
        return _address(alone, max(0, self.offset + pages * COLUMN_SIZE))


def asked(pairs: Iterable[tuple[str, str]]) -> Asked:
    """Read an address; a form sends its empty choices too, which say nothing."""
    said = [pair for pair in pairs if pair[1] != ""]
    problems: dict[str, str] = {}
    offset = _offset(said, problems)
    good = [pair for pair in said if pair[0] != "offset"]
    wanted = Selection()
    while good:
        try:
            wanted = tasks.selection(good)
            break
        except InvalidValues as error:
            wrong = {str(one.path[0]): _sentence(one.rule, one.message) for one in error.problems if one.path}
            problems |= wrong
            good = [pair for pair in good if pair[0] not in wrong]
    shown = dict(list(problems.items())[:MOST_PROBLEMS])
    return Asked(wanted, offset, dict(reversed(said)), shown)


def _offset(said: list[tuple[str, str]], problems: dict[str, str]) -> int:
    sent = next((value for name, value in said if name == "offset"), "0")
    if sent.isascii() and sent.isdecimal() and len(sent) < 10 and int(sent) <= LARGEST_OFFSET:
        return int(sent)
    problems["offset"] = f"Please give a whole number up to {LARGEST_OFFSET}."
    return 0


def _sentence(rule: str, message: str) -> str:
    if rule == "unknown_parameter":
        return "Tasks cannot be asked for by this."
    return SENTENCES.get(rule) or f"{message[:200]}."


def _address(wanted: Selection, offset: int = 0) -> str:
    query = "&".join(part for part in (str(wanted), urlencode({"offset": offset}) if offset else "") if part)
    return f"/?{query}" if query else "/"
