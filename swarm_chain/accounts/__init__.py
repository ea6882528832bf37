"""Accounts: encrypted keystores on disk, and the signer that a key becomes. No key leaves this package."""

from swarm_chain.accounts.development import development_index, development_signer
from swarm_chain.accounts.keystores import LIGHT_WORK, STANDARD_WORK, Keystore, Keystores, open_keystore
from swarm_chain.accounts.passwords import read_password
from swarm_chain.accounts.signing import INVITATION_TYPES, SALT_TYPES, Signer, coordinator_domain

__all__ = [
    "INVITATION_TYPES",
    "LIGHT_WORK",
    "SALT_TYPES",
    "STANDARD_WORK",
    "Keystore",
    "Keystores",
    "Signer",
    "coordinator_domain",
    "development_index",
    "development_signer",
    "open_keystore",
    "read_password",
]
