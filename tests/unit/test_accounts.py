"""Keystores and signers: what they give, what they refuse, and that no key is ever shown."""

from __future__ import annotations

import copy
import json
import pickle
import stat
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from swarm_chain.accounts import (
    LIGHT_WORK,
    Keystores,
    Signer,
    development_signer,
    open_keystore,
    read_password,
)
from swarm_chain.errors import AccountError
from swarm_chain.types import Address, Invitation, RoundNumber, Timestamp

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
CONTRACT = Address(b"\xc0" * 20)
GOLDEN_SALT = "8007d798531f5cdf6a47fc19a60488f9e098b989c2b176c336ab1ac9a8fbc7bb"


@pytest.fixture
def keystores(tmp_path: Path) -> Keystores:
    return Keystores(tmp_path / "keystores")


def test_new__opened_with_its_password__is_the_same_account(keystores: Keystores) -> None:
    made = keystores.new("alice", "secret", work=LIGHT_WORK)
    assert keystores.open("alice", "secret").address == made.address
    assert keystores.open("0x" + (made.address or b"").hex(), "secret").address == made.address
    assert [keystore.name for keystore in keystores.list()] == ["alice"]


def test_new__twice__makes_different_accounts(keystores: Keystores) -> None:
    first, second = (keystores.new(name, "secret", work=LIGHT_WORK) for name in ("alice", "bob"))
    assert first.address != second.address


def test_new__file__is_private_and_whole(keystores: Keystores) -> None:
    made = keystores.new("alice", "secret", work=LIGHT_WORK)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    assert list(made.path.parent.iterdir()) == [made.path]


def test_new__other_programs__can_open_it(keystores: Keystores) -> None:
    made = keystores.import_key("alice", KEY, "secret", work=LIGHT_WORK)
    assert Account.decrypt(made.path.read_text(), "secret").hex().removeprefix("0x") == KEY
    assert json.loads(made.path.read_text())["crypto"]["kdfparams"]["n"] == LIGHT_WORK


def test_new__name_is_taken__keeps_the_old_one(keystores: Keystores) -> None:
    old = keystores.new("alice", "secret", work=LIGHT_WORK).path.read_bytes()
    with pytest.raises(AccountError, match="choose another name"):
        keystores.new("alice", "other", work=LIGHT_WORK)
    assert (keystores.folder / "alice.json").read_bytes() == old


@pytest.mark.parametrize(
    "name", ["", "../alice", "a/b", "Alice", "a" * 33, "-a", "dev0", "dev12", "0xabc", "ab" * 20, "a\n", "a.json"]
)
def test_new__unusable_name__raises_account_error(keystores: Keystores, name: str) -> None:
    with pytest.raises(AccountError, match="cannot be an account's name"):
        keystores.new(name, "secret", work=LIGHT_WORK)
    assert not keystores.folder.exists()


def test_new__empty_password__raises_account_error(keystores: Keystores) -> None:
    with pytest.raises(AccountError, match="empty"):
        keystores.new("alice", "", work=LIGHT_WORK)


@pytest.mark.parametrize("text", [KEY, "0x" + KEY, f" {KEY.upper()}\n"])
def test_import_key__hexadecimal__is_its_account(keystores: Keystores, text: str) -> None:
    keystores.import_key("alice", text, "secret", work=LIGHT_WORK)
    assert keystores.open("alice", "secret").checksum_address == ADDRESS


def test_import_key__already_here__raises_account_error(keystores: Keystores) -> None:
    keystores.import_key("alice", KEY, "secret", work=LIGHT_WORK)
    with pytest.raises(AccountError, match="already, as alice"):
        keystores.import_key("again", KEY, "secret", work=LIGHT_WORK)


def test_import_keystore__of_another_wallet__is_its_account(keystores: Keystores) -> None:
    foreign = json.dumps(Account.encrypt("0x" + KEY, "theirs", kdf="pbkdf2", iterations=1000))
    keystores.import_keystore("alice", foreign, "theirs", "mine", work=LIGHT_WORK)
    assert keystores.open("alice", "mine").checksum_address == ADDRESS
    with pytest.raises(AccountError, match="password is wrong"):
        keystores.open("alice", "theirs")


def test_open__wrong_password__raises_account_error(keystores: Keystores) -> None:
    keystores.new("alice", "secret", work=LIGHT_WORK)
    with pytest.raises(AccountError, match="password is wrong"):
        keystores.open("alice", "guess")


def test_open__nobody_of_that_name__says_where_it_looked(keystores: Keystores) -> None:
    with pytest.raises(AccountError, match="account new"):
        keystores.open("alice", "secret")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"crypto": {}}', '{"crypto": {"kdf": "scrypt"}, "version": 3}', "not json", "\x00"]
)
def test_open__damaged_file__raises_account_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "alice.json"
    path.write_text(text)
    with pytest.raises(AccountError, match=r"restore it|cannot be opened"):
        open_keystore(path, "secret")


# ------------------------------------------------------------------------------------------------------------- secrecy


def _attempts(keystores: Keystores, folder: Path) -> list[Callable[[], object]]:
    """Everything that goes wrong with a key in hand."""
    blocked = folder / "blocked"
    blocked.write_text("a file where a folder should be")
    return [
        lambda: keystores.import_key("../x", KEY, "hunter2"),
        lambda: keystores.import_key("x", KEY + "00", "hunter2"),
        lambda: keystores.import_key("x", KEY[:-1] + "g", "hunter2"),
        lambda: keystores.import_key("x", KEY, ""),
        lambda: Keystores(blocked / "deeper").import_key("x", KEY, "hunter2", work=LIGHT_WORK),
        lambda: Signer(bytes.fromhex(KEY) + b"\x00"),
        lambda: Signer(bytes.fromhex(KEY)).sign_transaction({"nonsense": 1}),
        lambda: pickle.dumps(Signer(bytes.fromhex(KEY))),
        lambda: copy.copy(Signer(bytes.fromhex(KEY))),
    ]


@pytest.mark.parametrize("number", range(9))
def test_error__with_a_key_in_hand__never_shows_it(keystores: Keystores, tmp_path: Path, number: int) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  each raises what it raises; the text is what matters
        _attempts(keystores, tmp_path)[number]()
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.args)
    assert KEY[:-1] not in shown.lower()
    assert repr(bytes.fromhex(KEY))[2:20] not in shown
    assert "hunter2" not in shown.replace('"hunter2"', "")  # the source line that a traceback quotes


def test_repr__signer__shows_the_address_only() -> None:
    signer = Signer(bytes.fromhex(KEY))
    assert repr(signer) == str(signer) == f"{signer}" == f"Signer({ADDRESS})"
    assert not hasattr(signer, "__dict__")


# ---------------------------------------------------------------------------------------------------------- signatures


def test_sign_transaction__recovers_to_the_account() -> None:
    signer = Signer(bytes.fromhex(KEY))
    transaction = {
        "type": 2,
        "chainId": 31337,
        "nonce": 0,
        "to": "0x" + "11" * 20,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 10,
        "maxPriorityFeePerGas": 1,
    }
    assert Account.recover_transaction(signer.sign_transaction(transaction)) == ADDRESS


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**53))
def test_salt__same_round__is_the_same_every_time(round_number: int, chain_id: int) -> None:
    first, second = (Signer(bytes.fromhex(KEY)).salt(chain_id, CONTRACT, RoundNumber(round_number)) for _ in range(2))
    assert first == second
    assert len(first) == 32


def test_salt__other_chain_contract_round_or_account__is_another() -> None:
    signer, other = Signer(bytes.fromhex(KEY)), Signer(b"\x01" * 32)
    salts = {
        signer.salt(1, CONTRACT, RoundNumber(1)),
        signer.salt(2, CONTRACT, RoundNumber(1)),
        signer.salt(1, Address(b"\xc1" * 20), RoundNumber(1)),
        signer.salt(1, CONTRACT, RoundNumber(2)),
        other.salt(1, CONTRACT, RoundNumber(1)),
    }
    assert len(salts) == 5


def test_salt__golden__stays_what_it_is() -> None:
    """A node that lost its journal opens its commitments with this: it may never change."""
    salt = Signer(bytes.fromhex(KEY)).salt(31337, CONTRACT, RoundNumber(7))
    assert salt.hex() == GOLDEN_SALT


def test_sign_invitation__other_expiry__is_another_signature() -> None:
    signer = Signer(bytes.fromhex(KEY))
    invitations = [
        Invitation(account=CONTRACT, registrar=signer.address, expiry=Timestamp(expiry)) for expiry in (1, 2)
    ]
    first, second = (signer.sign_invitation(each, chain_id=1, contract=CONTRACT) for each in invitations)
    assert first != second
    assert len(first) == 65


# ------------------------------------------------------------------------------------------------ development accounts


def test_development_signer__dev0__is_the_first_account_of_the_public_mnemonic() -> None:
    signer = development_signer("dev0", chain_id=31337)
    assert signer.checksum_address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert development_signer("dev9", chain_id=1337).checksum_address == "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"


def test_development_signer__on_another_chain__raises_account_error() -> None:
    with pytest.raises(AccountError, match="account new"):
        development_signer("dev0", chain_id=1)


@pytest.mark.parametrize("name", ["dev10", "dev", "alice", "dev-1", "DEV0"])
def test_development_signer__no_such_account__raises_account_error(name: str) -> None:
    with pytest.raises(AccountError, match="dev0 to dev9"):
        development_signer(name, chain_id=31337)


# ----------------------------------------------------------------------------------------------------------- passwords


def test_read_password__file_environment_prompt__in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text("from file\n")
    monkeypatch.setenv("SWARM_CHAIN_PASSWORD", "from environment")
    assert read_password(file=file, prompt=lambda: "typed") == "from file"
    assert read_password(prompt=lambda: "typed") == "from environment"
    monkeypatch.delenv("SWARM_CHAIN_PASSWORD")
    assert read_password(prompt=lambda: "typed") == "typed"


def test_read_password__from_nowhere__says_where_it_can_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWARM_CHAIN_PASSWORD", raising=False)
    with pytest.raises(AccountError, match="SWARM_CHAIN_PASSWORD"):
        read_password()


def test_read_password__empty_file__raises_account_error(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("\n")
    with pytest.raises(AccountError, match="empty"):
        read_password(file=tmp_path / "password")


def test_read_password__file_is_missing__names_it(tmp_path: Path) -> None:
    with pytest.raises(AccountError, match="nowhere"):
        read_password(file=tmp_path / "nowhere")
