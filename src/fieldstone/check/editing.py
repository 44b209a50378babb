"""From findings to what an editor shows and offers, in the terms of the Language Server Protocol.

An editor counts from 0, and columns in units that it and the server agree on; a finding counts from 1, and
columns in characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lsprotocol import types
from pygls.workspace import ServerTextPosition, ServerTextRange, TextDocument

from fieldstone.check.findings import UNREADABLE, Edit, Finding, Severity, Span
from fieldstone.check.parsing import plain
from fieldstone.check.suppressions import accepting

SOURCE = "fieldstone"
SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.NOTE: types.DiagnosticSeverity.Information,
}


def diagnostic(finding: Finding, document: TextDocument) -> types.Diagnostic:
    """Underline a finding, and say what happens and what to write instead."""
    return types.Diagnostic(
        range=place(finding.span, document),
        message=f"{finding.message}\n{finding.remedy}",
        severity=SEVERITIES[finding.severity],
        code=finding.code,
        source=SOURCE,
    )


def actions(
    findings: Sequence[Finding], document: TextDocument, wanted: types.Range
) -> Iterator[types.CodeAction]:
    """Offer the repairs of the findings that a selection touches, and a comment that accepts each."""
    for finding in findings:
        found = diagnostic(finding, document)
        if finding.code == UNREADABLE or not touches(found.range, wanted):
            continue
        if finding.fix:
            title = f"{finding.code}: {finding.remedy}"
            edits = [edit_of(edit, document) for edit in finding.fix.edits]
            yield action(title, found, document, edits, preferred=finding.fix.safe)
        accepted = accepting(plain(document.source), finding.span, finding.code)
        if accepted:
            title = f"{finding.code}: accept it here (# noqa)"
            yield action(title, found, document, [edit_of(accepted, document)], preferred=False)


def action(
    title: str,
    found: types.Diagnostic,
    document: TextDocument,
    edits: Sequence[types.TextEdit],
    *,
    preferred: bool,
) -> types.CodeAction:
    """Offer edits of the version of a document that was checked, and of no other."""
    identifier = types.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    changes = [types.TextDocumentEdit(text_document=identifier, edits=list(edits))]
    return types.CodeAction(
        title=title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[found],
        is_preferred=preferred or None,
        edit=types.WorkspaceEdit(document_changes=changes),
    )


def edit_of(edit: Edit, document: TextDocument) -> types.TextEdit:
    """Give an edit with the line ends that the document has."""
    crlf = any(line.endswith("\r\n") for line in document.lines[:1])
    return types.TextEdit(place(edit.span, document), edit.text.replace("\n", "\r\n" if crlf else "\n"))


def place(span: Span, document: TextDocument) -> types.Range:
    """Give a stretch of source as the editor counts it."""
    start = ServerTextPosition(span.line - 1, span.column - 1)
    end = ServerTextPosition(span.end_line - 1, span.end_column - 1)
    return document.range_to_client_units(ServerTextRange(start, end))


def touches(one: types.Range, other: types.Range) -> bool:
    """Tell whether two stretches share a place."""

    def key(position: types.Position) -> tuple[int, int]:
        return position.line, position.character

    return key(one.start) <= key(other.end) and key(other.start) <= key(one.end)
