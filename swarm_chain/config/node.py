"""One node's configuration: a file that `join` writes, and that a person reads and edits."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swarm_chain.config.chains import (
    MAX_CHAIN_ID,
    check_endpoints,
    default_confirmations,
    is_development,
)
from swarm_chain.config.serving import AUTO, is_serving
from swarm_chain.config.tables import Table
from swarm_chain.errors import ConfigurationError
from swarm_chain.types import Address, BlockNumber, Digest

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

ALL: Final = "all"
MAX_LABEL: Final = 64
"""Bytes of the longest label the contract takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeConfig:
    """Everything an agent needs to know besides the password. Paths are absolute."""

    chain_id: int
    rpc_urls: tuple[str, ...]
    contract: Address
    deployment_block: BlockNumber
    confirmations: int
    account: Address
    keystore: Path
    password_file: Path | None
    label: str
    task: str
    accepted_task: Digest | None
    data: str
    min_new_samples: int
    journal: Path
    stores: tuple[str, ...]
    accepted_rule: Digest | None = None
    keep_weights: int | None = None
    serve: str = AUTO
    announce: tuple[str, ...] = ()
    allow_private_addresses: bool = False


def load_node_config(path: Path) -> NodeConfig:
    """The configuration in a file; relative paths in it start from its folder.

    Raises `ConfigurationError`, naming file, key and what is expected; unknown keys are refused.
    """
    top = Table.read(path)
    chain, account, node, stores = (top.table(name) for name in ("chain", "account", "node", "stores"))
    chain_id = chain.integer("id", least=1, most=MAX_CHAIN_ID)
    rpc_urls = check_endpoints(chain, "rpc_urls", chain.texts("rpc_urls", least=1))
    folder = path.absolute().parent
    config = NodeConfig(
        chain_id=chain_id,
        rpc_urls=rpc_urls,
        contract=_address(chain, "contract"),
        deployment_block=BlockNumber(chain.integer("deployment_block", least=0, most=2**63)),
        confirmations=chain.integer(
            "confirmations", least=0, most=1000, default=default_confirmations(chain_id, rpc_urls)
        ),
        account=_address(account, "address"),
        keystore=folder / account.text("keystore"),
        password_file=_optional_path(folder, account.optional_text("password_file")),
        label=_label(node),
        task=node.text("task"),
        accepted_task=_digest(node, "accepted_task"),
        accepted_rule=_digest(node, "accepted_rule"),
        data=node.text("data"),
        min_new_samples=node.integer("min_new_samples", least=0, most=2**53, default=0),
        journal=folder / node.text("journal"),
        stores=stores.texts("use", least=1),
        keep_weights=stores.integer_or("keep_weights", ALL, least=0, most=2**31),
        serve=_serve(stores),
        announce=stores.texts("announce"),
        allow_private_addresses=stores.flag("allow_private_addresses", is_development(chain_id, rpc_urls)),
    )
    for table in (chain, account, node, stores, top):
        table.finish()
    return config


def save_node_config(config: NodeConfig, path: Path) -> None:
    """Writes the configuration with a comment for each key, whole or not at all. An existing file is replaced.

    Raises `ConfigurationError` if it cannot be written.
    """
    from tomlkit import dumps

    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(dumps(_document(config)), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; choose another place") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _document(config: NodeConfig) -> TOMLDocument:
    from tomlkit import comment, document

    text = document()
    text.add(comment("One node of a swarm. `swarm-chain join` wrote this file; edit it and start the agent again."))
    for name, entries in _sections(config).items():
        text.add(name, _table(entries))
    return text


def _table(entries: dict[str, tuple[object, str]]) -> object:
    from tomlkit import comment, table

    section = table()
    for key, (value, meaning) in entries.items():
        section.add(comment(meaning))
        section.add(key, value)
    return section


def _sections(config: NodeConfig) -> dict[str, dict[str, tuple[object, str]]]:
    return {
        "chain": {
            "id": (config.chain_id, "The endpoints below must serve this chain, or the agent stops."),
            "rpc_urls": (list(config.rpc_urls), "JSON-RPC endpoints, tried in order."),
            "contract": (_hex(config.contract), "The swarm's coordinator."),
            "deployment_block": (config.deployment_block, "Block of its deployment: no event is older."),
            "confirmations": (
                config.confirmations,
                "Blocks on top of one before it is believed. 0 on development chains, which mine on demand.",
            ),
        },
        "account": {
            "address": (_hex(config.account), "This node's account. It pays for its transactions."),
            "keystore": (str(config.keystore), "Its encrypted key. Relative paths start from this file's folder."),
            "password_file": (
                str(config.password_file or ""),
                "A file with the keystore's password. Empty: $SWARM_CHAIN_PASSWORD, or it is asked for.",
            ),
        },
        "node": {
            "label": (
                config.label,
                "What people call this node. On the chain since it joined; changes here stay here.",
            ),
            "task": (config.task, "The task to train. Its digest must be the swarm's."),
            "accepted_task": (
                "0x" + config.accepted_task.hex() if config.accepted_task else "",
                "Digest of the task whose source code may be run here. Empty for a task that ships.",
            ),
            "accepted_rule": (
                "0x" + config.accepted_rule.hex() if config.accepted_rule else "",
                "Digest of the source of the merge rule that may be run here. Empty for a rule that ships.",
            ),
            "data": (config.data, "This node's own data, as --data takes it. It never leaves this machine."),
            "min_new_samples": (config.min_new_samples, "Sit rounds out until there are this many new samples."),
            "journal": (
                str(config.journal),
                "What this node did and is about to do (SQLite). Survives crashes; keep it.",
            ),
        },
        "stores": {
            "use": (
                list(config.stores),
                "Where documents and weights are written and read, in order: local:PATH, kubo:ADDRESS, gateway:URL.",
            ),
            "keep_weights": (
                ALL if config.keep_weights is None else config.keep_weights,
                "For how many rounds weights are kept, so that they can be re-executed: all, or a number.",
            ),
            "serve": (
                config.serve,
                "Where peers fetch from the local store: auto, HOST:PORT of this machine, or off.",
            ),
            "announce": (
                list(config.announce),
                "URLs and multiaddrs to announce instead: of a store that somebody else serves, of a proxy, …",
            ),
            "allow_private_addresses": (
                config.allow_private_addresses,
                "Whether peers may be at addresses of this machine and of private networks. Never for strangers.",
            ),
        },
    }


def _address(table: Table, key: str) -> Address:
    text = table.text(key)
    digits = text.removeprefix("0x")
    try:
        address = bytes.fromhex(digits)
    except ValueError:
        address = b""
    if len(address) != 20 or len(digits) != 40 or not text.startswith("0x"):
        raise table.wrong(key, "an address: 0x and 40 hexadecimal digits", text)
    return Address(address)


def _digest(table: Table, key: str) -> Digest | None:
    text = table.optional_text(key)
    if not text:
        return None
    if not re.fullmatch("0x[0-9a-f]{64}", text):
        raise table.wrong(key, "a digest: 0x and 64 hexadecimal digits", text)
    return Digest(bytes.fromhex(text[2:]))


def _label(table: Table) -> str:
    label = table.text("label", "")
    if len(label.encode()) > MAX_LABEL:
        raise table.wrong("label", f"a text of at most {MAX_LABEL} bytes", label)
    return label


def _serve(table: Table) -> str:
    text = table.text("serve", AUTO)
    if not is_serving(text):
        raise table.wrong("serve", "auto, off, or an address of this machine with a port like 192.168.1.7:4801", text)
    return text


def _optional_path(folder: Path, text: str | None) -> Path | None:
    return folder / text if text else None


def _hex(address: Address) -> str:
    return "0x" + address.hex()
