"""What an invitation says of stores: it leaves for another machine, and a folder's path says who works on this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm_chain.adapters.stores import with_own
from swarm_chain.cli.told import stores_to_tell
from swarm_chain.config import is_this_machine

FOLDER, GATEWAY = "local:/home/anna/store", "gateway:https://gateway.example"
ELSEWHERE = "http://192.168.0.7:8545"


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


@pytest.mark.parametrize(
    "spec",
    [
        "kubo:/ip4/192.168.0.7/tcp/5001",
        "kubo:https://ipfs.example/rpc",
        "kubo:clinic",
        "gateway:clinic",
        "gateway:http://127.0.0.1:8080",
        "gateway:https://gateway.example,http://localhost:8080",
    ],
)
def test_stores_to_tell__takes_commands_or_is_on_this_machine__is_not_told(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stores_to_tell([spec], [ELSEWHERE]) == ()
    assert "serve the store" in capsys.readouterr().err


def test_with_own__nothing_to_write_to__has_the_store_of_the_home_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARM_CHAIN_HOME", str(tmp_path))
    own = f"local:{tmp_path / 'store'}"
    assert with_own([]) == (own,)
    assert with_own([GATEWAY]) == (own, GATEWAY)
    assert with_own([GATEWAY, FOLDER]) == (GATEWAY, FOLDER)
    assert with_own(["kubo:clinic"]) == ("kubo:clinic",)
