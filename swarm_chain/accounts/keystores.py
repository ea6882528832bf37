"""Encrypted keys on disk: the JSON that every Ethereum wallet reads (Web3 Secret Storage, version 3).

A keystore lies at `HOME/keystores/NAME.json`.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from swarm_chain import config
from swarm_chain.accounts.development import development_index
from swarm_chain.accounts.signing import Signer
from swarm_chain.errors import AccountError
from swarm_chain.types import Address

STANDARD_WORK: Final = 2**18
"""scrypt's N for a keystore that guards something: about a second and 256 MiB to open, as Ethereum's wallets take."""
LIGHT_WORK: Final = 2**12
"""scrypt's N for demos and tests: a few milliseconds to open, and to guess."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


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
