"""Blocks of code in the documentation, for tests that run them."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str, language: str, *, after: str = "", before: str | None = None) -> list[str]:
    """The blocks of a language on a page, or in a part of it that two headings enclose."""
    text = (DOCS / page).read_text(encoding="utf-8")
    start = text.index(after)
    part = text[start : text.index(before, start) if before else None]
    return re.findall(rf"```{language}\n(.*?)```", part, re.DOTALL)
