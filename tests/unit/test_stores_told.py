"""What an invitation says of stores: it leaves for another machine, and a folder's path says who works on this one."""

from __future__ import annotations

import pytest

from swarm_chain.cli.successors import stores_to_tell
from swarm_chain.config import is_this_machine

FOLDER, GATEWAY = "local:/home/anna/store", "https://gateway.example"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8545", "http://localhost:8545", "http://[::1]:8545"])
def test_stores_to_tell__endpoint_on_this_machine__names_all(url: str) -> None:
    assert is_this_machine(url)
    assert stores_to_tell([FOLDER, GATEWAY], [url]) == (FOLDER, GATEWAY)


@pytest.mark.parametrize(
    "url", ["https://rpc.example", "http://192.168.0.7:8545", "http://127.0.0.1.example:8545", "http://[::2]:8545"]
)
def test_stores_to_tell__endpoint_elsewhere__names_no_folder_and_says_so(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not is_this_machine(url)
    assert stores_to_tell([FOLDER, GATEWAY], ["http://127.0.0.1:8545", url]) == (GATEWAY,)
    assert "not in the invitation" in capsys.readouterr().err


def test_stores_to_tell__no_folder_among_them__says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert stores_to_tell([GATEWAY], ["https://rpc.example"]) == (GATEWAY,)
    assert capsys.readouterr().err == ""
