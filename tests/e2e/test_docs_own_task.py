"""docs/how-to/your-own-task.md, "From nothing": typed in an empty folder as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import blocks
from tests.typed import devnet_behind, typed

PAGE = "how-to/your-own-task.md"
FIRST = "## From nothing"
LAST = "## What a task says"

pytestmark = pytest.mark.deep


def commands() -> Iterator[str]:
    """Each shell block; what a reader runs in another terminal runs in the background."""
    for block in blocks(PAGE, "sh", after=FIRST, before=LAST):
        if block == "swarm-chain devnet\n":
            yield from devnet_behind()
        elif "agent run" in block:
            yield "".join(f'{line} & agents="$agents $!"\n' for line in block.splitlines()) + "wait $agents"
        elif block.startswith("swarm-chain status"):
            yield block
        elif "swarm-chain deploy" in block:
            yield block.replace("local:store", "local:store | tee deployed")
        else:
            yield block.replace("DIGEST", "$(awk '/^task/ {print $2}' deployed)")


def test_page__from_nothing__ends_in_a_demo_and_a_swarm_that_pass(tmp_path: Path) -> None:
    for block in blocks(PAGE, "python", after=FIRST, before=LAST):
        (tmp_path / block.splitlines()[0].removeprefix("# ")).write_text(block)
    script = "\n".join(commands())
    assert script.count("swarm-chain") >= 12
    said = typed(script, tmp_path)
    assert "5 of 5 rounds finalised" in said
    assert "class Breast(Task):" in said
    assert "PASS  5 rounds finalised, 5 executed again with the same bytes" in said
