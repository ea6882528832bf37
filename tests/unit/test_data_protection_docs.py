"""The page for data protection officers lists everything that leaves: a new field or event has to get onto it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from swarm_chain.adapters.ethereum.abi import EVENTS
from swarm_chain.core.documents import Document, ResultDocument, TaskDocument, UpdateDocument

PAGE = Path("docs/how-to/data-protection.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [TaskDocument, UpdateDocument, ResultDocument])
def test_page__every_field_of_a_document__is_in_its_row(kind: type[Document]) -> None:
    name = kind.type.split("/")[1]
    (row,) = re.findall(rf"^\| {name} document \|.*$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == {field.name for field in fields(kind)}


def test_page__every_event_of_the_contract__is_named() -> None:
    assert [name for name in EVENTS if f"`{name}`" not in PAGE] == []
    assert "`NodeRegistered`" in PAGE
