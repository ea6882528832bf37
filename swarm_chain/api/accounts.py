"""Who a node acts as: whatever a person has at hand, as a signer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swarm_chain import config
from swarm_chain.accounts import Keystores, Signer, development_index, development_signer, open_keystore
from swarm_chain.errors import AccountError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

LONGEST_NAME: Final = 42
"""Characters of an address, the longest that names an account: what is longer may be a key, and is never shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Acting:
    """An account that signs, and what its owner calls it: nothing where it came as a bare key."""

    name: str
    signer: Signer


def open_account(account: str | Path | bytes | Signer | LocalAccount, *, password: str | None, chain_id: int) -> Acting:
    """The account, ready to sign: a keystore's name, address or path, a private key, `dev3`, or eth-account's own.

    `password` opens a keystore; without it `$SWARM_CHAIN_PASSWORD`. Raises `AccountError`, which never shows a key.
    """
    if isinstance(account, Signer):
        return Acting(name="", signer=account)
    if isinstance(account, bytes):
        return Acting(name="", signer=Signer(account))
    if isinstance(account, Path):
        return _in_file(account, password)
    if isinstance(account, str):
        return _named(account.strip(), password, chain_id)
    return Acting(name="", signer=Signer(_key_of(account)))


def _named(text: str, password: str | None, chain_id: int) -> Acting:
    if development_index(text) is not None:
        return Acting(name=text, signer=development_signer(text, chain_id=chain_id))
    if text.endswith(".json") or "/" in text:
        return _in_file(Path(text), password)
    if len(text) > LONGEST_NAME:
        return Acting(name="", signer=Signer(_key_in(text)))
    keystore = Keystores().find(text)
    return _in_file(keystore.path, password)


def _in_file(path: Path, password: str | None) -> Acting:
    path = path.expanduser()
    return Acting(name=path.stem, signer=open_keystore(path, _password(password)))


def _password(given: str | None) -> str:
    password = config.password_from_environment() if given is None else given
    if not password:
        raise AccountError("a keystore opens with its password: give password=…, or set SWARM_CHAIN_PASSWORD")
    return password


def _key_in(text: str) -> bytes:
    """The bytes of a private key; none where this is no such key, which `Signer` says better."""
    digits = text.removeprefix("0x")
    return bytes.fromhex(digits) if re.fullmatch("[0-9a-fA-F]{64}", digits) else b""


def _key_of(account: object) -> bytes:
    key = getattr(account, "key", None)
    if not isinstance(key, bytes):
        raise AccountError(
            f"{type(account).__name__} is no account: give a keystore's name or path, a private key, dev0, dev1, … on "
            "a development chain, or an account of eth-account"
        )
    return bytes(key)
