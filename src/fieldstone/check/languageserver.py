"""`fieldstone language-server`: findings underlined as one types, in any editor that speaks the protocol.

A change in one file may change what is wrong in another. So after each pause in typing all open documents are
judged anew, from memory where nothing changed. That runs in a thread; what was typed meanwhile is checked
after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import typer
from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from fieldstone.check.editing import actions, diagnostic
from fieldstone.check.findings import Finding
from fieldstone.check.parsing import plain
from fieldstone.check.running import Options
from fieldstone.check.workspace import Workspace
from fieldstone.errors import ConfigurationError

PAUSE = 0.2

app = typer.Typer(add_completion=False)


@app.command()
def language_server_command() -> None:
    """Speak the Language Server Protocol on standard input and output; an editor starts it."""
    made().start_io()


class Checking:
    """What a server knows: a workspace for each project, and the findings of each open document."""

    def __init__(self, server: LanguageServer) -> None:
        self.server = server
        self.workspaces: dict[Path, Workspace] = {}
        self.found: dict[str, tuple[int | None, list[Finding]]] = {}
        self.waiting: asyncio.Task[None] | None = None
        self.turn = asyncio.Lock()
        self.refused = ""

    def later(self) -> None:
        """Check what is open, once nobody has typed for a moment."""
        if self.waiting is not None:
            self.waiting.cancel()
        self.waiting = asyncio.ensure_future(self._after_a_pause())

    async def _after_a_pause(self) -> None:
        await asyncio.sleep(PAUSE)
        # Not cancelled from here on: what is typed now waits for its own turn.
        await asyncio.shield(self.now())

    async def now(self) -> None:
        """Check what is open, one check at a time."""
        async with self.turn:
            for root, documents in self._by_project().items():
                await self._check(self.workspaces[root], documents)

    def _by_project(self) -> dict[Path, dict[Path, TextDocument]]:
        found: dict[Path, dict[Path, TextDocument]] = {}
        for document in self.server.workspace.text_documents.values():
            place = to_fs_path(document.uri)
            if place and place.endswith(".py"):
                path = Path(place).resolve()
                workspace = Workspace([path], Options(jobs=1))
                known = self.workspaces.setdefault(workspace.root, workspace)
                found.setdefault(known.root, {})[path] = document
        return found

    async def _check(self, workspace: Workspace, documents: dict[Path, TextDocument]) -> None:
        texts = {path: plain(document.source) for path, document in documents.items()}
        versions = {path: document.version for path, document in documents.items()}
        try:
            report = await asyncio.to_thread(workspace.check, texts, list(texts))
        except ConfigurationError as error:
            self._refuse(str(error))
            return
        self.refused = ""
        for path, document in documents.items():
            name = path.relative_to(workspace.root).as_posix()
            findings = [one for one in report.findings if one.path == name]
            if document.version == versions[path]:
                self._publish(document, findings)

    def _publish(self, document: TextDocument, findings: Sequence[Finding]) -> None:
        self.found[document.uri] = document.version, list(findings)
        self.server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(
                uri=document.uri,
                version=document.version,
                diagnostics=[diagnostic(one, document) for one in findings],
            )
        )

    def _refuse(self, text: str) -> None:
        """Show what is wrong with the configuration, once."""
        if text != self.refused:
            self.refused = text
            self.server.window_show_message(types.ShowMessageParams(types.MessageType.Error, text))

    def forget(self, uri: str) -> None:
        """Take the underlines of a closed document away."""
        self.found.pop(uri, None)
        self.server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri=uri, diagnostics=[]))

    def offered(self, uri: str, wanted: types.Range) -> list[types.CodeAction]:
        """Offer the repairs in a stretch of a document, as long as it is what was checked."""
        document = self.server.workspace.get_text_document(uri)
        version, findings = self.found.get(uri, (None, []))
        return list(actions(findings, document, wanted)) if version == document.version else []


def made() -> LanguageServer:
    """Make a server."""
    server = LanguageServer("fieldstone", metadata.version("fieldstone"))
    checking = Checking(server)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def changed(_parameters: Any) -> None:
        checking.later()

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(parameters: types.DidCloseTextDocumentParams) -> None:
        checking.forget(parameters.text_document.uri)
        checking.later()

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    )
    async def offered(parameters: types.CodeActionParams) -> list[types.CodeAction]:
        return checking.offered(parameters.text_document.uri, parameters.range)

    return server
