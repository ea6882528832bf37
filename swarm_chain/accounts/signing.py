"""A key that signs and cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

from swarm_chain.errors import AccountError
from swarm_chain.types import Address, Invitation, RoundNumber, Salt

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

INVITATION_TYPES: Final = {
    "Invitation": [
        {"name": "account", "type": "address"},
        {"name": "registrar", "type": "address"},
        {"name": "expiry", "type": "uint64"},
    ]
}
SALT_TYPES: Final = {"UpdateSalt": [{"name": "round", "type": "uint32"}]}


class Signer:
    """One account's key, which can sign and cannot be read."""

    __slots__ = ("_account", "address")

    address: Address

    def __init__(self, key: bytes) -> None:
        """Raises `AccountError` if `key` is not a private key; the error does not show it."""
        from eth_account import Account

        account: LocalAccount | None = None
        with suppress(Exception):  # whatever it says may hold the key
            account = Account.from_key(key)
        if account is None:
            raise AccountError("not a private key: it takes 32 bytes, as 64 hexadecimal digits")
        self._account = account
        self.address = Address(bytes.fromhex(account.address[2:]))

    @property
    def checksum_address(self) -> str:
        """The address as people write it: `0x` and 40 digits, upper and lower case as in EIP-55."""
        return str(self._account.address)

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        """The signed transaction, ready for `eth_sendRawTransaction`."""
        return bytes(self._account.sign_transaction(dict(transaction)).raw_transaction)

    def sign_typed(
        self, domain: Mapping[str, Any], types: Mapping[str, list[dict[str, str]]], message: Mapping[str, Any]
    ) -> bytes:
        """65 bytes: the EIP-712 signature, the same for the same data every time (RFC 6979).

        What EIP-712 signs starts with the bytes 0x19 0x01, with which no transaction starts.
        """
        signed = self._account.sign_typed_data(dict(domain), dict(types), dict(message))
        return bytes(signed.signature)

    def sign_invitation(self, invitation: Invitation, *, chain_id: int, contract: Address) -> bytes:
        """65 bytes: a registrar's signature that lets `invitation.account` join the coordinator at `contract`."""
        message = {
            "account": invitation.account,
            "registrar": invitation.registrar,
            "expiry": invitation.expiry,
        }
        return self.sign_typed(coordinator_domain(chain_id, contract), INVITATION_TYPES, message)

    def salt(self, chain_id: int, contract: Address, round_number: RoundNumber) -> Salt:
        """What hides this account's update in that round: keccak256 of its signature over chain, contract and round.

        It can be found again from the key alone, and nobody without the key can guess it. The signature is EIP-712 in
        the coordinator's domain, of a type of its own: it can be neither a transaction nor an invitation.
        """
        from eth_utils.crypto import keccak

        signature = self.sign_typed(coordinator_domain(chain_id, contract), SALT_TYPES, {"round": round_number})
        return Salt(keccak(signature))

    def __repr__(self) -> str:
        return f"Signer({self.checksum_address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer cannot be pickled or copied: its key would leave it")


def coordinator_domain(chain_id: int, contract: Address) -> dict[str, Any]:
    """The EIP-712 domain of the coordinator at `contract`."""
    from eth_utils.address import to_checksum_address

    return {
        "name": "SwarmCoordinator",
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": to_checksum_address(contract),
    }
