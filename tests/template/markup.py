"""A page as a person with a browser has it: what stands on it, and forms to fill in and send.

Written on html.parser, strictly: a page whose tags do not nest is refused, so every page that a
test opens is checked on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"br", "hr", "img", "input", "link", "meta"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Everything that is written in it, with single spaces."""
        return " ".join("".join(self._texts()).split())

    def all(self, tag: str | None = None, **attributes: str) -> list[Element]:
        """Find elements inside by tag and attributes; `class_` names one class of several."""
        return [one for one in self._inside() if one.is_(tag, attributes)]

    def one(self, tag: str | None = None, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} elements are {tag} {attributes}"
        return found[0]

    def is_(self, tag: str | None, attributes: dict[str, str]) -> bool:
        if tag is not None and tag != self.tag:
            return False
        for name, value in attributes.items():
            actual = self.attributes.get(name.rstrip("_").replace("_", "-"))
            if actual is None or (value not in actual.split() if name == "class_" else value != actual):
                return False
        return True

    def fields(self) -> dict[str, str]:
        """What a browser would send with this form if nothing was changed."""
        sent = {}
        for one in self.all():
            name = one.attributes.get("name")
            if name and one.tag == "input":
                sent[name] = one.attributes.get("value", "")
            elif name and one.tag == "textarea":
                sent[name] = "".join(one._texts()).removeprefix("\n")
            elif name and one.tag == "select":
                options = one.all("option")
                chosen = next((option for option in options if "selected" in option.attributes), options[0])
                sent[name] = chosen.attributes["value"]
        return sent

    def _inside(self) -> Iterator[Element]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child._inside()

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._texts()


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("document", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        assert len(element.attributes) == len(attrs), f"<{tag}> repeats an attribute: {attrs}"
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        closed = self.open.pop()
        assert closed.tag == tag, f"</{tag}> closes <{closed.tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(html: str) -> Element:
    """Read a page; raise where its tags do not nest."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert len(builder.open) == 1, f"<{builder.open[-1].tag}> is never closed"
    return builder.open[0]
