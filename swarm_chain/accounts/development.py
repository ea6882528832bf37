"""Accounts that everybody has: by name, and on development chains only."""

from __future__ import annotations

import re
from typing import Final

from swarm_chain import config
from swarm_chain.accounts.signing import Signer
from swarm_chain.config import DevnetSettings
from swarm_chain.errors import AccountError

_NAME: Final = re.compile(r"dev(\d{1,3})")


def development_signer(name: str, *, chain_id: int, settings: DevnetSettings | None = None) -> Signer:
    """The signer of `dev0`, `dev1`, … as `anvil.toml` funds them: the given settings, or those that ship.

    Raises `AccountError` on any chain but a development chain, and for a name that is not one of these.
    """
    if chain_id not in config.DEVELOPMENT_CHAINS:
        raise AccountError(
            f"{name} is an account of development chains (31337, 1337) and this is chain {chain_id}: everybody knows "
            "its key; make your own with `swarm-chain account new NAME`"
        )
    settings = settings or config.load_devnet_settings()
    index = development_index(name)
    if index is None or index >= settings.account_count:
        raise AccountError(f"{name} is not a development account; they are dev0 to dev{settings.account_count - 1}")
    return _derived(settings.mnemonic, index)


def development_index(name: str) -> int | None:
    """3 for `dev3`; None for a name that is not of a development account."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def _derived(mnemonic: str, index: int) -> Signer:
    from eth_account.hdaccount import key_from_seed, seed_from_mnemonic

    try:
        seed = seed_from_mnemonic(mnemonic, passphrase="")
    except Exception:  # whatever it says may hold the mnemonic.
        seed = None
    if seed is None:
        raise AccountError("accounts.mnemonic in anvil.toml is not a BIP-39 mnemonic; correct it")
    return Signer(key_from_seed(seed, f"m/44'/60'/0'/0/{index}"))
