"""Who a node acts as: each way to give an account, and keys that no message shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from swarm_chain.accounts import LIGHT_WORK, Keystores, Signer
from swarm_chain.api.accounts import open_account
from swarm_chain.errors import AccountError

KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one keystore, and no password in the environment."""
    monkeypatch.setenv("SWARM_CHAIN_HOME", str(tmp_path))
    monkeypatch.delenv("SWARM_CHAIN_PASSWORD", raising=False)
    Keystores().import_key("alice", KEY, PASSWORD, work=LIGHT_WORK)
    return tmp_path


@pytest.mark.parametrize(
    "account",
    [
        "alice",
        ADDRESS,
        "dev1",
        KEY,
        "0x" + KEY,
        f"  0x{KEY}\n",
        bytes.fromhex(KEY),
        Account.from_key(KEY),
        Signer(bytes.fromhex(KEY)),
    ],
)
def test_open_account__any_way_to_give_it__is_the_same_account(account: Any) -> None:
    assert open_account(account, password=PASSWORD, chain_id=31337).signer.checksum_address == ADDRESS


def test_open_account__path_of_a_keystore__is_opened_and_named_after_it(home: Path) -> None:
    for path in (home / "keystores" / "alice.json", str(home / "keystores" / "alice.json")):
        acting = open_account(path, password=PASSWORD, chain_id=1)
        assert (acting.name, acting.signer.checksum_address) == ("alice", ADDRESS)


def test_open_account__password_left_out__is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AccountError, match="give password=…, or set SWARM_CHAIN_PASSWORD"):
        open_account("alice", password=None, chain_id=1)
    monkeypatch.setenv("SWARM_CHAIN_PASSWORD", PASSWORD)
    assert open_account("alice", password=None, chain_id=1).name == "alice"


def test_open_account__wrong_password__says_so() -> None:
    with pytest.raises(AccountError, match="the password is wrong"):
        open_account("alice", password="wrong", chain_id=1)


def test_open_account__development_account_elsewhere__is_refused() -> None:
    with pytest.raises(AccountError, match="everybody knows its key"):
        open_account("dev1", password=None, chain_id=1)


def test_open_account__name_of_none__says_where_it_looked(home: Path) -> None:
    with pytest.raises(AccountError, match=f"no keystore bob in {home}"):
        open_account("bob", password=PASSWORD, chain_id=1)


@pytest.mark.parametrize("account", [KEY[:-1], KEY + "0", "0x" + KEY + "00", KEY[:-1] + "x", bytes.fromhex(KEY)[:-1]])
def test_open_account__broken_key__is_refused_and_never_shown(account: str | bytes) -> None:
    with pytest.raises(AccountError, match="not a private key") as caught:
        open_account(account, password=None, chain_id=1)
    assert KEY[:16] not in str(caught.value)


@pytest.mark.parametrize("account", [None, 7, object()])
def test_open_account__what_is_none__says_what_to_give(account: Any) -> None:
    with pytest.raises(AccountError, match=r"is no account: give a keystore's name"):
        open_account(account, password=None, chain_id=1)
