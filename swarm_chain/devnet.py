"""A development chain on this machine: `anvil.toml` to a running Anvil, or Ganache, that funds dev0, dev1, …"""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, get_args

from swarm_chain import children, config
from swarm_chain.accounts import development_signer
from swarm_chain.config import DevnetSettings
from swarm_chain.errors import ChainUnavailable, ConfigurationError, PortInUse, ToolMissing, WrongChain

Client = Literal["anvil", "ganache"]
CLIENTS: Final = get_args(Client)

READY_TIMEOUT: Final = 60.0
"""Seconds a chain gets to answer; Ganache takes four on a slow machine."""
STOP_TIMEOUT: Final = 30.0
"""Seconds a chain gets to write its state before it is killed."""

_ANVIL_PACKAGE: Final = "@foundry-rs/anvil"
_SYSTEMS: Final = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_NOT_HERE: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class Devnet:
    """A running development chain. Leaving its `with` block stops it, and so does the end of this process."""

    def __init__(
        self,
        *,
        client: Client,
        settings: DevnetSettings,
        process: subprocess.Popen[bytes],
        log_path: Path,
        state_path: Path | None,
    ) -> None:
        self.client: Client = client
        self.settings = settings
        self.log_path = log_path
        self.state_path = state_path
        self._process = process

    @classmethod
    def start(
        cls,
        settings: DevnetSettings | None = None,
        *,
        client: Client = "anvil",
        host: str | None = None,
        port: int | None = None,
        state: Path | None = None,
        log: Path | None = None,
        outlives: bool = False,
    ) -> Devnet:
        """A chain that answers. `port` 0 takes a free one; `state` is a folder that keeps the chain after a clean stop.

        One that `outlives` this process goes on until it is stopped.
        Raises `ToolMissing`, `PortInUse`, `ConfigurationError`, `ChainUnavailable` (it did not come up; says why).
        """
        settings = _overridden(settings or config.load_devnet_settings(), host, port)
        executable = find_client(client)
        _require_free_port(settings.host, settings.port)
        log_path = log or (state or config.home()) / f"{client}.log"
        flags = _flags(client, settings, state)
        process = children.spawn([str(executable), *flags], log_path, outlives=outlives)
        devnet = cls(client=client, settings=settings, process=process, log_path=log_path, state_path=state)
        try:
            devnet._wait_until_ready()
            devnet._fund_accounts()
        except BaseException:
            devnet.stop()
            raise
        return devnet

    @property
    def rpc_url(self) -> str:
        """Where programs on this machine reach the chain."""
        return f"http://{_reachable(self.settings.host)}:{self.settings.port}"

    @property
    def chain_id(self) -> int:
        return self.settings.chain_id

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def rpc(self, method: str, *parameters: object) -> Any:
        """The chain's answer to one JSON-RPC call. Raises `ChainUnavailable`."""
        return call_rpc(self.rpc_url, method, *parameters)

    def wait(self) -> int:
        """The exit status of the chain, once it ended by itself or was stopped."""
        return self._process.wait()

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Asks the chain to write its state and end, and waits for it. Kills it after `timeout` seconds."""
        children.stop(self._process, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while time.monotonic() < deadline:
            if not self.is_running:
                raise self._failed_to_start()
            with suppress(ChainUnavailable):
                self._check_chain_id(int(call_rpc(self.rpc_url, "eth_chainId", timeout=1.0), 16))
                return
            time.sleep(0.05)
        raise ChainUnavailable(f"{self.client} did not answer within {READY_TIMEOUT:.0f} s; see {self.log_path}")

    def _check_chain_id(self, actual: int) -> None:
        # Another chain answers where the port was taken between the check and the start.
        if actual != self.chain_id:
            raise WrongChain(
                f"port {self.settings.port} answers as chain {actual}, not {self.chain_id}; choose another --port"
            )

    def _failed_to_start(self) -> Exception:
        words = children.tail(self.log_path)
        if "address already in use" in words.lower() or "eaddrinuse" in words.lower():
            return port_in_use(self.settings.host, self.settings.port)
        last = children.last_line(self.log_path)
        return ChainUnavailable(f"{self.client} ended at once: {last}; see {self.log_path}")

    def _fund_accounts(self) -> None:
        """Gives the development accounts their balance, where they were never used.

        By RPC and not by the chain's own flags: so the chain holds no keys, its log shows none and the mnemonic is in
        no process list.
        """
        balance = hex(self.settings.balance * 10**18)
        method = {"anvil": "anvil_setBalance", "ganache": "evm_setAccountBalance"}[self.client]
        for address in development_addresses(self.settings):
            if int(self.rpc("eth_getBalance", address, "latest"), 16) == 0 and not self._was_used(address):
                self.rpc(method, address, balance)

    def _was_used(self, address: str) -> bool:
        return int(self.rpc("eth_getTransactionCount", address, "latest"), 16) > 0


def development_addresses(settings: DevnetSettings) -> Iterator[str]:
    """The checksummed addresses of dev0, dev1, … in order; none where the chain's id is not a development chain's."""
    if settings.chain_id in config.DEVELOPMENT_CHAINS:
        for index in range(settings.account_count):
            signer = development_signer(f"dev{index}", chain_id=settings.chain_id, settings=settings)
            yield signer.checksum_address


def call_rpc(url: str, method: str, *parameters: object, timeout: float = 10.0) -> Any:
    """The result of one JSON-RPC call to a chain on this machine. Raises `ChainUnavailable`."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  http by rpc_url
    # A proxy from the environment does not lead to this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as response:
            answer = json.load(response)
    except (OSError, ValueError) as error:
        raise ChainUnavailable(f"{url} does not answer: {error}") from error
    if "error" in answer:
        raise ChainUnavailable(f"{url} refused {method}: {answer['error'].get('message', answer['error'])}")
    return answer["result"]


# -------------------------------------------------------------------------------------------------------------- finding


def find_client(client: str) -> Path:
    """The program that runs the chain. Raises `ToolMissing`, `ConfigurationError`."""
    if client not in CLIENTS:
        raise ConfigurationError(f"unknown client {client}; choose {' or '.join(CLIENTS)}")
    candidates = _anvil_candidates() if client == "anvil" else _ganache_candidates()
    for path in candidates:
        if path is not None and os.access(path, os.X_OK) and not path.is_dir():
            return path
    install = (
        "`npm install --global @foundry-rs/anvil@1.7.1`" if client == "anvil" else "`npm install --global ganache`"
    )
    raise ToolMissing(
        f"{client} is not installed; run `npm ci` in a checkout, or {install}, "
        f"or set SWARM_CHAIN_{client.upper()} to its path"
    )


def _anvil_candidates() -> Iterator[Path | None]:
    yield config.tool_from_environment("anvil")
    # The package's own `anvil` on the PATH is a node script that starts the native one and does not pass on signals.
    on_path = shutil.which("anvil")
    yield from _natives_beside(on_path)
    yield Path(on_path) if on_path else None
    native = f"{_ANVIL_PACKAGE}-{_platform()}/bin/anvil"
    for modules in _node_modules():
        yield modules / native


def _natives_beside(script: str | None) -> Iterator[Path]:
    """Where npm puts the native Anvil when `script` is its node script; nothing when it is a native program."""
    real = Path(script).resolve() if script else None
    if real is not None and real.suffix in {".mjs", ".js"}:
        for folder in real.parents:
            yield folder / "node_modules" / f"{_ANVIL_PACKAGE}-{_platform()}/bin/anvil"
            yield folder / f"{_ANVIL_PACKAGE}-{_platform()}/bin/anvil"


def _ganache_candidates() -> Iterator[Path | None]:
    yield config.tool_from_environment("ganache")
    for modules in _node_modules():
        yield modules / ".bin" / "ganache"
    on_path = shutil.which("ganache")
    yield Path(on_path) if on_path else None


def _node_modules() -> tuple[Path, ...]:
    return config.PACKAGE.parent / "node_modules", Path.cwd() / "node_modules"


def _platform() -> str:
    system, machine = platform.system(), platform.machine().lower()
    return f"{_SYSTEMS.get(system, system.lower())}-{_MACHINES.get(machine, machine)}"


# ------------------------------------------------------------------------------------------------------------- starting


def _overridden(settings: DevnetSettings, host: str | None, port: int | None) -> DevnetSettings:
    host = settings.host if host is None else host
    port = settings.port if port is None else port
    if not 0 <= port <= 65_535:
        raise ConfigurationError(f"port {port} does not exist; choose one from 1 to 65535, or 0 for any free one")
    return replace(settings, host=host, port=port or free_port(host))


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on now. Raises `ConfigurationError` if `host` is no address of this machine."""
    with _bound(host, 0) as listener:
        return int(listener.getsockname()[1])


def _require_free_port(host: str, port: int) -> None:
    try:
        _bound(host, port).close()
    except PermissionError:
        raise PortInUse(f"port {port} needs privileges; choose one above 1023 with --port") from None
    except OSError:
        raise port_in_use(host, port) from None


def port_in_use(host: str, port: int) -> PortInUse:
    """The error that says how to go on when a port is taken."""
    return PortInUse(f"port {port} of {host} is in use; stop what listens there, or choose another with --port")


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except socket.gaierror:
        listener.close()
        raise ConfigurationError(f"{host} is not an address; use 127.0.0.1, or 0.0.0.0 for the local network") from None
    except OSError as error:
        listener.close()
        if error.errno in _NOT_HERE:
            raise ConfigurationError(f"{host} is no address of this machine; use 127.0.0.1 or 0.0.0.0") from None
        raise
    return listener


def _reachable(host: str) -> str:
    """An address at which this machine reaches a server that listens at `host`."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _flags(client: Client, settings: DevnetSettings, state: Path | None) -> list[str]:
    flags = _anvil_flags(settings) if client == "anvil" else _ganache_flags(settings)
    if state is not None:
        children.make_folder(state)
        flags += _state_flags(client, state)
    return flags


def _anvil_flags(settings: DevnetSettings) -> list[str]:
    flags = {
        "--chain-id": settings.chain_id,
        "--hardfork": settings.hardfork,
        "--gas-limit": settings.gas_limit,
        "--block-base-fee-per-gas": settings.base_fee,
        "--host": settings.host,
        "--port": settings.port,
        "--accounts": 0,
        "--color": "never",
    }
    if settings.block_time:
        flags["--block-time"] = settings.block_time
    return _as_arguments(flags)


def _ganache_flags(settings: DevnetSettings) -> list[str]:
    return _as_arguments(
        {
            "--chain.chainId": settings.chain_id,
            "--chain.networkId": settings.chain_id,
            "--chain.hardfork": settings.hardfork,
            "--miner.blockTime": settings.block_time,
            "--miner.blockGasLimit": settings.gas_limit,
            "--server.host": settings.host,
            "--server.port": settings.port,
            "--wallet.totalAccounts": 0,
        }
    )


def _as_arguments(flags: dict[str, Any]) -> list[str]:
    return [word for flag, value in flags.items() for word in (flag, str(value))]


def _state_flags(client: Client, state: Path) -> list[str]:
    if client == "anvil":
        return ["--state", str(state / "anvil-state.json")]
    return ["--database.dbPath", str(state / "ganache")]
