"""Accounts: encrypted keystores on disk, and the signer that a key becomes. No key leaves this module.

A keystore is the JSON that every Ethereum wallet reads (Web3 Secret Storage, version 3), at `HOME/keystores/NAME.json`.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from swarm_chain import config
from swarm_chain.config import DevnetSettings
from swarm_chain.errors import AccountError
from swarm_chain.types import Address, Invitation, RoundNumber, Salt

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

STANDARD_WORK: Final = 2**18
"""scrypt's N for a keystore that guards something: about a second and 256 MiB to open, as Ethereum's wallets take."""
LIGHT_WORK: Final = 2**12
"""scrypt's N for demos and tests: a few milliseconds to open, and to guess."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_DEVELOPMENT_NAME = re.compile(r"dev(\d{1,3})")

INVITATION_TYPES: Final = {
    "Invitation": [
        {"name": "account", "type": "address"},
        {"name": "registrar", "type": "address"},
        {"name": "expiry", "type": "uint64"},
    ]
}
SALT_TYPES: Final = {"UpdateSalt": [{"name": "round", "type": "uint32"}]}


# -------------------------------------------------------------------------------------------------------------- signer


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
    match = _DEVELOPMENT_NAME.fullmatch(name)
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


# ----------------------------------------------------------------------------------------------------------- passwords


def read_password(*, file: Path | None = None, prompt: Callable[[], str] | None = None) -> str:
    """The password: from `file` if given, else from `$SWARM_CHAIN_PASSWORD`, else from `prompt`.

    Raises `AccountError` if there is none, or an empty one.
    """
    if file is not None:
        password = _password_in(file)
    elif (found := config.password_from_environment()) is not None:
        password = found
    elif prompt is not None:
        password = prompt()
    else:
        raise AccountError("a password is needed: give --password-file FILE or set SWARM_CHAIN_PASSWORD")
    if not password:
        raise AccountError("the password is empty; choose one")
    return password


def _password_in(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise AccountError(f"password file {file} cannot be read: {getattr(error, 'strerror', 'not UTF-8')}") from None


# ----------------------------------------------------------------------------------------------------------- keystores


@dataclass(frozen=True, kw_only=True, slots=True)
class Keystore:
    """An encrypted key on disk. `address` is None where the file does not say it."""

    name: str
    address: Address | None
    path: Path


class Keystores:
    """The keystores of one folder: `HOME/keystores` unless told."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or config.home() / "keystores"

    def list(self) -> tuple[Keystore, ...]:
        """Every keystore there, by name. Raises `AccountError` for a file that is not one."""
        if not self.folder.is_dir():
            return ()
        return tuple(_described(path) for path in sorted(self.folder.glob("*.json")))

    def new(self, name: str, password: str, *, work: int = STANDARD_WORK) -> Keystore:
        """A new account under that name. Raises `AccountError` if the name is taken or cannot be used."""
        return self._save(name, Signer(secrets.token_bytes(32)), password, work)

    def import_key(self, name: str, key: str, password: str, *, work: int = STANDARD_WORK) -> Keystore:
        """Keeps a private key, given as 64 hexadecimal digits with or without `0x`. Raises `AccountError`."""
        return self._save(name, Signer(_key_bytes(key)), password, work)

    def import_keystore(
        self, name: str, keystore: str, its_password: str, password: str | None = None, *, work: int = STANDARD_WORK
    ) -> Keystore:
        """Keeps the key of another wallet's keystore JSON, under `password` if given. Raises `AccountError`."""
        signer = _decrypted(keystore, its_password, "the keystore to import")
        return self._save(name, signer, password or its_password, work)

    def find(self, name_or_address: str) -> Keystore:
        """The keystore of that name or address. Raises `AccountError` if there is none."""
        wanted = name_or_address.removeprefix("0x").lower()
        for keystore in self.list():
            if keystore.name == name_or_address or (keystore.address and keystore.address.hex() == wanted):
                return keystore
        raise AccountError(
            f"no keystore {name_or_address} in {self.folder}; see `swarm-chain account list`, "
            "or make one with `swarm-chain account new NAME`"
        )

    def open(self, name_or_address: str, password: str) -> Signer:
        """The signer behind a keystore. Raises `AccountError` if there is none or the password is wrong."""
        return open_keystore(self.find(name_or_address).path, password)

    def _save(self, name: str, signer: Signer, password: str, work: int) -> Keystore:
        self._check_free(name, signer.address)
        path = self.folder / f"{name}.json"
        _write_new(path, json.dumps(_encrypted(signer, password, work), indent=2) + "\n")
        return Keystore(name=name, address=signer.address, path=path)

    def _check_free(self, name: str, address: Address) -> None:
        if not _NAME.fullmatch(name):
            raise AccountError(
                f"{name!r} cannot be an account's name: use 1 to 32 of a-z, 0-9, _ and -, a letter or digit first"
            )
        if development_index(name) is not None or re.fullmatch("0x[0-9a-f]*|[0-9a-f]{40}", name):
            raise AccountError(f"{name!r} cannot be an account's name: it reads as another account; choose another")
        for keystore in self.list():
            if keystore.name == name:
                raise AccountError(f"there is a keystore {keystore.path} already; choose another name")
            if keystore.address == address:
                raise AccountError(f"this account is here already, as {keystore.name}")


def open_keystore(path: Path, password: str) -> Signer:
    """The signer behind a keystore file. Raises `AccountError` if it cannot be read or the password is wrong."""
    return _decrypted(_read(path), password, str(path))


def _described(path: Path) -> Keystore:
    keystore = _parsed(_read(path), str(path))
    address = keystore.get("address")
    known = isinstance(address, str) and re.fullmatch("(0x)?[0-9a-fA-F]{40}", address)
    return Keystore(
        name=path.stem,
        address=Address(bytes.fromhex(address.removeprefix("0x"))) if known and isinstance(address, str) else None,
        path=path,
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise AccountError(f"keystore {path} does not exist; see `swarm-chain account list`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise AccountError(f"keystore {path} cannot be read: {getattr(error, 'strerror', 'not UTF-8')}") from None


def _parsed(text: str, what: str) -> dict[str, Any]:
    try:
        keystore = json.loads(text)
    except ValueError:
        keystore = None
    if not isinstance(keystore, dict) or not isinstance(keystore.get("crypto", keystore.get("Crypto")), dict):
        raise AccountError(f"{what} is not a keystore (JSON of Web3 Secret Storage); restore it from a copy")
    return keystore


def _decrypted(text: str, password: str, what: str) -> Signer:
    from eth_account import Account

    keystore = _parsed(text, what)
    key: bytes | None = None
    try:
        key = bytes(Account.decrypt(keystore, password))
        problem = ""
    except ValueError as error:
        problem = "the password is wrong" if "MAC" in str(error) else "it is damaged; restore it from a copy"
    except Exception:  # eth-keyfile raises whatever a damaged field leads to.
        problem = "it is damaged; restore it from a copy"
    if key is None:
        raise AccountError(f"{what} cannot be opened: {problem}")
    return Signer(key)


def _encrypted(signer: Signer, password: str, work: int) -> dict[str, Any]:
    if not password:
        raise AccountError("the password is empty; choose one")
    encrypted: dict[str, Any] = dict(signer._account.encrypt(password, kdf="scrypt", iterations=work))
    return encrypted


def _key_bytes(text: str) -> bytes:
    digits = text.strip().removeprefix("0x")
    return bytes.fromhex(digits) if re.fullmatch("[0-9a-fA-F]{64}", digits) else b""


def _write_new(path: Path, text: str) -> None:
    """Writes a file that only its owner reads, whole or not at all, and never over another."""
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        raise AccountError(f"there is a file {path} already; choose another name") from None
    except OSError as error:
        raise AccountError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
