"""The package and the command's help are there at once: heavy imports wait until they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIMIT = 0.5
HEAVY = ("torch", "web3", "sklearn", "eth_account", "solcx", "numpy")


@pytest.mark.parametrize("module", ["swarm_chain", "swarm_chain.cli"])
def test_import__takes_less_than_half_a_second_and_nothing_heavy(module: str) -> None:
    code = (
        "import sys, time; start = time.process_time()\n"
        f"import {module}\n"
        f"print(time.process_time() - start, *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    # Of a processor, and the best of three: other work on the machine is not what this is about.
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(3)
    ]
    assert min(float(seconds) for seconds, *_ in runs) < LIMIT
    assert not runs[0][1:]
