"""What running the documents' blocks showed is found in their source, or it is said why it cannot be.

`documents.md` holds code of the same shapes in words of our own, a heading for each block with defects
(see docs/from-the-documents.md), and at its end the defects that only running shows.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fieldstone.check.running import Options, check
from tests.check.cases import BLOCK, EXPECTED, HEADING, Case

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "from-the-documents.md"
TEXT = (HERE / "documents.md").read_text(encoding="utf-8")
SHARED = {
    "requirements.txt": "sqlmodel==0.0.50\nsqlalchemy==2.1.9\nfastapi==0.121.0\n",
    "app/models.py": """\
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import joinedload, selectinload
from sqlmodel import Field, Relationship, Session, SQLModel, create_engine, select
from sqlmodel.ext.asyncio.session import AsyncSession

engine = create_async_engine("sqlite+aiosqlite:///books.db")
maker = async_sessionmaker(engine, class_=AsyncSession)


class Reader(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = ""
    card: UUID | None = None
    loans: list["Loan"] = Relationship(back_populates="reader")


class Loan(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    seen_at: datetime | None = None
    reader_id: int | None = Field(default=None, foreign_key="reader.id")
    reader: Reader | None = Relationship(back_populates="loans")
""",
}


def found_in(text: str) -> dict[str, str]:
    return {place: content for _, _, place, content in BLOCK.findall(text)}


SEEN, _, UNSEEN = TEXT.partition("## Not seen in the source")
PARTS = dict(zip(*[iter(HEADING.split(SEEN)[1:])] * 2, strict=True))


@pytest.mark.parametrize("name", PARTS)
def test_a_defect_that_running_showed_is_found_in_the_source(name: str, tmp_path: Path) -> None:
    files = found_in(PARTS[name])
    Case("", name, {**SHARED, **files}).write(tmp_path)
    marked = {
        (path, number, code)
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        for code in EXPECTED.findall(line)
    }
    assert marked
    options = Options(select=frozenset(code for _, _, code in marked), configured=False)
    found = {(f.path, f.line, f.code) for f in check([tmp_path], options).findings if f.path in files}
    assert found == marked


def test_every_block_with_a_defect_is_found_or_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([AB]\d.*?) \| .*? \| (.*?) \| .* \|$", page, re.MULTILINE)
    blamed = {block for row, _ in rows for block in re.findall(r"\b[AB]\d+\b", row)}
    told = {block for name in PARTS for block in re.findall(r"\b[AB]\d+\b", name)}
    told |= set(re.findall(r"^\| ([AB]\d+) \|", UNSEEN, re.MULTILINE))
    assert len(blamed) > 30
    assert blamed <= told
