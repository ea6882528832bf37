"""Reports on swarms in memory, and what tests ask of the pages that they make."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import html5lib

from swarm_chain.adapters.memory_history import MemoryHistory
from swarm_chain.core.documents import UpdateDocument
from swarm_chain.ports import UpdateStore
from swarm_chain.reporting import LocalAgent, Report, read_report, render
from swarm_chain.types import Address, RegisterNode
from tests.chains import MemoryWorld
from tests.histories import Script

Element = ElementTree.Element
ACTIVE = frozenset(
    {"script", "link", "img", "image", "iframe", "frame", "object", "embed", "base", "form", "video", "a"}
)
"""Elements that run, load or lead somewhere."""


def script(*labels: str, **settings: Any) -> Script:
    """A swarm whose nodes, 1, 2, …, have these labels."""
    made = Script(MemoryWorld, nodes=0, **settings)
    for node, label in enumerate(labels, start=1):
        made.world.chain(node).send(RegisterNode(label=label))
        made.nodes.append(node)
    return made


def says(base: Mapping[str, float], local: Mapping[str, float] | None = None) -> Callable[[Any], UpdateDocument]:
    """An update with these metrics."""
    return lambda document: replace(document, base_metrics=base, local_metrics=base if local is None else local)


def page_of(report: Report) -> Page:
    """A report's page."""
    return Page(render(report))


def report_on(
    swarm: Script, store: UpdateStore | None = None, agents: Mapping[Address, LocalAgent] | None = None
) -> Report:
    """The report on a swarm in memory."""
    reader = MemoryHistory(swarm.world.root, code=b"")  # type: ignore[attr-defined]
    return read_report(reader, store or swarm.store, agents=agents)


class Page:
    """A page, parsed as a browser would that forgives nothing."""

    def __init__(self, source: str) -> None:
        self.source = source
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        self.root: Element = parser.parse(self.source)

    @property
    def elements(self) -> Sequence[Element]:
        return [element for element in self.root.iter() if isinstance(element.tag, str)]

    @property
    def text(self) -> str:
        """What people read, tooltips with it, without what keeps names apart."""
        style = self.root.find(".//style")
        text = "".join(self.root.itertext()).replace((style.text if style is not None else "") or "", "")
        return re.sub("[\N{FIRST STRONG ISOLATE}\N{POP DIRECTIONAL ISOLATE}]", "", text)

    def named(self, tag: str) -> list[Element]:
        """Elements by their name."""
        return [element for element in self.elements if _name(element) == tag]

    def tables(self) -> dict[str, list[list[str]]]:
        """Each table's rows, by its caption."""
        return {_caption(table): _rows(table) for table in self.named("table")}

    def meta(self, name: str) -> str:
        """What a meta element says."""
        (found,) = [one for one in self.named("meta") if name in (one.get("name"), one.get("http-equiv"))]
        return str(found.get("content"))


def check_is_inert(page: Page) -> None:
    """Fails where a page could run or load anything."""
    assert not {_name(element) for element in page.elements} & ACTIVE
    for element in page.elements:
        for attribute, value in element.attrib.items():
            name = attribute.rpartition("}")[2].rpartition(":")[2].lower()
            assert not name.startswith("on"), (element.tag, attribute)
            assert name not in ("src", "href", "srcset", "style", "action", "data", "poster"), (element.tag, attribute)
            assert "url(" not in value, (element.tag, value)
    (style,) = page.named("style")
    assert style.text
    assert "@import" not in style.text
    assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", style.text))
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in page.meta("Content-Security-Policy").split(";"))
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _caption(table: Element) -> str:
    caption = table.find("caption")
    return "" if caption is None else "".join(caption.itertext()).strip()


def _rows(table: Element) -> list[list[str]]:
    return [
        [" ".join("".join(cell.itertext()).split()) for cell in row if _name(cell) in ("td", "th")]
        for row in table.iter()
        if isinstance(row.tag, str) and _name(row) == "tr"
    ]
