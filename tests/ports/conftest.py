"""The chains that the suites run on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from swarm_chain.types import SwarmConfig
from tests.chains import CONFIG, DevnetWorld, MemoryWorld, World
from tests.integration.conftest import anvil, ganache

__all__ = ["anvil", "deployed", "ganache"]


@pytest.fixture(params=["memory", "anvil", "ganache"])
def deployed(request: pytest.FixtureRequest) -> Callable[..., World]:
    """Deploys a coordinator of a configuration on each kind of chain."""

    def make(config: SwarmConfig = CONFIG) -> World:
        if request.param == "memory":
            return MemoryWorld(config)
        return DevnetWorld(request.getfixturevalue(request.param), config)

    return make
