"""Stores that people gave a name to, because an address alone does not get in: with a token, a private CA, a proxy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from swarm_chain.config.places import settings_file
from swarm_chain.config.tables import Table
from swarm_chain.errors import ConfigurationError

BLOCK_TIMEOUT: Final = 10
"""Seconds a node gets to find a block, unless told."""
_MAX_SECRET: Final = 16 * 1024
_HEADER: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreSettings:
    """How to reach an IPFS node. `headers` may hold secrets; `timeout` is in seconds."""

    address: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    timeout: int = BLOCK_TIMEOUT


def find_store(name: str, path: Path | None = None) -> StoreSettings:
    """The store of that name in the settings. Raises `ConfigurationError`, naming those there are."""
    path = path or settings_file()
    tables = _tables(path)
    if name not in tables:
        known = f"there are {', '.join(sorted(tables))}" if tables else "none has a name"
        raise ConfigurationError(f"unknown store {name}; {known}: add [stores.{name}] to {path}")
    return _store(tables[name], path.parent)


def _tables(path: Path) -> Mapping[str, Table]:
    if not path.exists():
        return {}
    return dict(Table.read(path).table("stores").tables())


def _store(table: Table, folder: Path) -> StoreSettings:
    token, headers = (table.optional_text(key) for key in ("token_file", "headers_file"))
    ca_file = table.optional_text("ca_file")
    settings = StoreSettings(
        address=table.text("address"),
        headers={
            **(_headers(folder / headers) if headers else {}),
            **({"Authorization": f"Bearer {_token(folder / token)}"} if token else {}),
        },
        ca_file=_existing(folder / ca_file) if ca_file else None,
        proxy=_proxy(table),
        timeout=table.integer("timeout", least=1, most=3600, default=BLOCK_TIMEOUT),
    )
    table.finish()
    return settings


def _token(file: Path) -> str:
    token = _secret(file).strip()
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ConfigurationError(f"{file} must hold a token, one word in a line; correct it")
    return token


def _headers(file: Path) -> dict[str, str]:
    """Headers as `Name: value`, one a line; lines that are empty or start with # say nothing."""
    found = {}
    for number, line in enumerate(_secret(file).splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            match = _HEADER.fullmatch(line.rstrip())
            if match is None:
                # The line itself may be a secret.
                raise ConfigurationError(f"{file}: line {number} is no header; write one a line, as Name: value")
            found[match[1]] = match[2]
    return found


def _secret(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.read(_MAX_SECRET)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"{file} cannot be read: {reason}; correct the settings") from error


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise ConfigurationError(f"{file} does not exist; name a file with certificates (PEM) as ca_file")
    return file


def _proxy(table: Table) -> str | None:
    proxy = table.optional_text("proxy")
    if proxy is not None and not re.fullmatch(r"https?://[^\s/]+/?", proxy):
        raise table.wrong("proxy", "a URL like http://proxy.example:3128", proxy)
    return proxy
