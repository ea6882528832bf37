"""Unit tests run offline: a test that opens a socket fails."""

from __future__ import annotations

import pytest
from pytest_socket import disable_socket


@pytest.fixture(autouse=True)
def _offline() -> None:
    disable_socket(allow_unix_socket=True)
