"""A syntax tree to the facts of its file.

Every file is read this far, so it looks only at statements that bind names at the top of the module;
whether a file holds anything for a rule is seen from its text, before it is parsed.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from fieldstone.check.facts import FileFacts
from fieldstone.check.making import depended, makes_tables, session_makers
from fieldstone.check.outlines import Names, bind
from fieldstone.check.parsing import Unparsable, decoded, parse
from fieldstone.check.searching import assigned, concerns, schemes, uncommented

Keep = Callable[[FileFacts, str, ast.Module], None]


def dropped(facts: FileFacts, source: str, tree: ast.Module) -> None:
    """Keep nothing of a file but its facts."""


def gather(path: Path, relative: str, keep: Keep = dropped) -> FileFacts:
    """Read one file and tell what the others need to know of it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return unreadable(relative, b"", Unparsable(1, f"cannot be read: {error.strerror}"))
    return gather_from(content, relative, keep)


def gather_from(content: bytes, relative: str, keep: Keep = dropped) -> FileFacts:
    """Tell the facts of a file that has this content."""
    try:
        source = decoded(content)
    except Unparsable as error:
        return unreadable(relative, content, error)
    return gather_text(source, relative, content, keep)


def gather_text(source: str, relative: str, content: bytes, keep: Keep = dropped) -> FileFacts:
    """Tell the facts of a file that has this text; its content is what it is known again by."""
    try:
        tree = parse(source)
        facts = facts_of(tree, source, relative, digest(content))
        keep(facts, source, tree)
        return facts
    except Unparsable as error:
        return unreadable(relative, content, error)
    except RecursionError:
        return unreadable(relative, content, Unparsable(1, "is nested too deeply"))


def digest(content: bytes) -> str:
    """Fingerprint content, to know a file again that did not change."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def unreadable(relative: str, content: bytes, error: Unparsable) -> FileFacts:
    """Keep a file that tells nothing, so that it is reported."""
    module, package = module_name(relative)
    return FileFacts(
        relative, module, package, digest(content), content.count(b"\n"), error=(error.line, error.reason)
    )


def module_name(relative: str) -> tuple[str, bool]:
    """Name a module by its place below the root: `backend/app/db.py` is `backend.app.db`."""
    pure = PurePosixPath(relative.replace("\\", "/"))
    parts = [*pure.parts[:-1], pure.stem]
    package = parts[-1] == "__init__"
    return ".".join(parts[:-1] if package else parts), package


def facts_of(tree: ast.Module, source: str, relative: str, fingerprint: str) -> FileFacts:
    """Tell the facts of a parsed file."""
    module, package = module_name(relative)
    bound = Names()
    bind(tree.body, bound, module if package else module.rpartition(".")[0])
    matters = concerns(source)
    makers = tuple(session_makers(tree, source, bound.imports)) if matters else ()
    return FileFacts(
        relative,
        module,
        package,
        fingerprint,
        source.count("\n") + 1,
        matters=matters,
        imports=bound.imports,
        stars=tuple(bound.stars),
        names=bound.kinds,
        classes=tuple(bound.classes),
        makers=makers,
        schemes=tuple(sorted(set(schemes(source)))),
        assigned=tuple(sorted(set(assigned(source)))) if matters else (),
        depends=tuple(sorted(set(depended(tree)))) if "Depends(" in source or "Security(" in source else (),
        handmade="Table" in source and makes_tables(tree, source, bound),
        meaning=digest(uncommented(source).encode("utf-8", "surrogatepass")),
    )
