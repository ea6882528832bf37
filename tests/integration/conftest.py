"""Real chains for integration tests: one Anvil and one Ganache a session, on free ports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm_chain.devnet import Client, Devnet


def _chain(client: Client, folder: Path) -> Iterator[Devnet]:
    with Devnet.start(client=client, port=0, log=folder / f"{client}.log") as devnet:
        yield devnet


@pytest.fixture(scope="session")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A running Anvil; dev0 to dev9 are funded (`accounts.development_signer`)."""
    yield from _chain("anvil", tmp_path_factory.mktemp("anvil"))


@pytest.fixture(scope="session")
def ganache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A running Ganache; dev0 to dev9 are funded."""
    yield from _chain("ganache", tmp_path_factory.mktemp("ganache"))


@pytest.fixture(scope="session", params=["anvil", "ganache"])
def devnet(request: pytest.FixtureRequest) -> Devnet:
    """Each of the two chains in turn."""
    chain: Devnet = request.getfixturevalue(request.param)
    return chain
