"""The language server, driven by a client over its pipes as an editor drives it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

DB = """\
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

maker = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"))
"""
WORK = """\
from sqlmodel import Field, SQLModel

from db import maker


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = ""


async def work():
    async with maker() as session:
        task = Task(title="one")
        session.add(task)
        await session.commit()
        return "🎈🎈", task.title
"""
COMMAND = "from fieldstone.cli import main; main()"


class Editor:
    """A client that keeps the newest diagnostics of each document, and what it was told to show."""

    def __init__(self, folder: Path, client: LanguageClient) -> None:
        self.folder = folder
        self.client = client
        self.published: dict[str, types.PublishDiagnosticsParams] = {}
        self.news = asyncio.Event()
        self.shown: asyncio.Queue[str] = asyncio.Queue()
        self.opened: list[str] = []
        client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(lambda told: self._receive(told))
        client.feature(types.WINDOW_SHOW_MESSAGE)(lambda said: self.shown.put_nowait(said.message))

    def _receive(self, parameters: types.PublishDiagnosticsParams) -> None:
        self.published[parameters.uri] = parameters
        self.news.set()

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str) -> None:
        document = types.TextDocumentItem(uri=self.uri(name), language_id="python", version=1, text=text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=document))
        self.opened.append(document.uri)

    def close(self) -> None:
        """Close what is open."""
        for uri in self.opened:
            document = types.TextDocumentIdentifier(uri=uri)
            self.client.text_document_did_close(types.DidCloseTextDocumentParams(text_document=document))
        self.opened.clear()

    def type(self, name: str, version: int, text: str) -> None:
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                text_document=types.VersionedTextDocumentIdentifier(uri=self.uri(name), version=version),
                content_changes=[types.TextDocumentContentChangeWholeDocument(text=text)],
            )
        )

    async def codes(self, name: str, version: int, expected: list[str]) -> list[types.Diagnostic]:
        """Wait until this version of a document has been judged, and judged so."""
        async with asyncio.timeout(60):
            while True:
                self.news.clear()
                found = self.published.get(self.uri(name))
                if found and found.version == version and [one.code for one in found.diagnostics] == expected:
                    return list(found.diagnostics)
                await self.news.wait()

    async def offered(self, name: str, found: types.Diagnostic) -> list[types.CodeAction]:
        answer: Any = await self.client.text_document_code_action_async(
            types.CodeActionParams(
                text_document=types.TextDocumentIdentifier(uri=self.uri(name)),
                range=found.range,
                context=types.CodeActionContext(diagnostics=[found]),
            )
        )
        return list(answer)


@pytest.fixture(scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    """One server for all tests, since it takes seconds to start; each has a project of its own."""
    folder = tmp_path_factory.mktemp("workspace")
    client = LanguageClient("test", "1")
    await client.start_io(sys.executable, "-c", COMMAND, "language-server")
    opened = Editor(folder, client)
    await client.initialize_async(
        types.InitializeParams(capabilities=types.ClientCapabilities(), root_uri=folder.as_uri())
    )
    client.initialized(types.InitializedParams())
    yield opened
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()  # type: ignore[no-untyped-call]  # pygls leaves it without annotations


@pytest.fixture
async def editor(started: Editor, tmp_path: Path) -> AsyncIterator[Editor]:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "db.py").write_text(DB)
    started.folder = tmp_path
    yield started
    started.close()


async def test_what_is_typed_is_judged_before_it_is_saved(editor: Editor) -> None:
    editor.open("work.py", WORK)
    (found,) = await editor.codes("work.py", 1, ["FS204"])
    assert "MissingGreenlet" in found.message
    assert found.source == "fieldstone"
    # a balloon is two units of UTF-16, which is what a client counts in unless it says otherwise
    assert found.range.start == types.Position(15, len('        return "') + 2 * 2 + len('", '))

    refreshed = WORK.replace("        return", "        await session.refresh(task)\n        return")
    editor.type("work.py", 2, refreshed)
    assert await editor.codes("work.py", 2, []) == []
    editor.type("work.py", 3, "def work(:\n")
    await editor.codes("work.py", 3, ["FS000"])


async def test_a_change_in_another_open_file_counts(editor: Editor) -> None:
    editor.open("work.py", WORK)
    await editor.codes("work.py", 1, ["FS204"])
    editor.open("db.py", DB)
    editor.type("db.py", 2, DB.replace('://")', '://"), expire_on_commit=False'))
    await editor.codes("work.py", 1, [])
    assert (editor.folder / "db.py").read_text() == DB


async def test_repairs_and_acceptance_are_offered_and_work(editor: Editor) -> None:
    editor.open("work.py", WORK)
    (found,) = await editor.codes("work.py", 1, ["FS204"])
    offered = await editor.offered("work.py", found)
    for version, action in enumerate(offered, start=2):
        assert action.edit
        (change,) = list(action.edit.document_changes or ())
        assert isinstance(change, types.TextDocumentEdit)
        editor.type("work.py", version, edited(WORK, change.edits))
        await editor.codes("work.py", version, [])
    assert "accept it here" in offered[-1].title


async def test_a_broken_configuration_is_shown_and_mended(editor: Editor) -> None:
    (editor.folder / "pyproject.toml").write_text("[tool.fieldstone.check]\nslect = []\n")
    editor.open("work.py", WORK)
    async with asyncio.timeout(60):
        assert "[tool.fieldstone.check] has no 'slect'" in await editor.shown.get()
    (editor.folder / "pyproject.toml").write_text('[tool.fieldstone.check]\nignore = ["FS204"]\n')
    editor.type("work.py", 2, WORK)
    await editor.codes("work.py", 2, [])


def edited(text: str, edits: Any) -> str:
    """Apply edits that count columns in units of UTF-16."""
    lines = text.split("\n")
    for edit in sorted(
        edits, key=lambda one: (one.range.start.line, one.range.start.character), reverse=True
    ):
        assert edit.range.start.line == edit.range.end.line
        line = lines[edit.range.start.line].encode("utf-16-le")
        start, end = 2 * edit.range.start.character, 2 * edit.range.end.character
        lines[edit.range.start.line] = (line[:start] + edit.new_text.encode("utf-16-le") + line[end:]).decode(
            "utf-16-le"
        )
    return "\n".join(lines)
