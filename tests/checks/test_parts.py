"""Lint, form, types, layers and the contract's own tests, as `make` runs them: so pytest's last line speaks of all."""

from __future__ import annotations

import subprocess

import pytest

from swarm_chain import config


def run_part(part: str, *arguments: str) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", part, *arguments],
        cwd=config.PACKAGE.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"make {part} failed:\n{done.stdout[-12_000:]}"


@pytest.mark.parametrize("part", ["lint", "formatted", "types", "layers", "contracts-fast"])
def test_make__part_of_the_tests__passes(part: str) -> None:
    run_part(part)


@pytest.mark.deep
@pytest.mark.timeout(1800)
def test_make__everything_that_speaks_for_the_contract__passes() -> None:
    run_part("contracts")
