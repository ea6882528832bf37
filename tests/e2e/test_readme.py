"""The README's second section, typed as it stands: a chain, a swarm, three nodes, an audit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.typed import devnet_behind, typed

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.deep


def commands() -> Iterator[str]:
    """Each line of the section's shell blocks; what a reader runs in another terminal runs in the background."""
    readme = (ROOT / "README.md").read_text()
    section = readme[readme.index("## By hand") : readme.index("## Audit")]
    for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
        for line in block.splitlines():
            if line == "swarm-chain devnet":
                yield from devnet_behind()
            elif line.startswith("swarm-chain agent run"):
                yield f'{line} & agents="$agents $!"'
            elif "status --watch" in line:
                yield f"wait $agents; {line.replace(' --watch', '')}"
            else:
                yield line


def test_readme__second_section_typed_as_it_stands__ends_in_a_model_that_passes(tmp_path: Path) -> None:
    # The section is typed in a checkout; what it leaves behind goes to a folder of the test's own.
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    script = "\n".join(commands())
    assert script.count("swarm-chain") >= 14
    assert "PASS  5 rounds finalised, 5 executed again with the same bytes" in typed(script, tmp_path)
