"""A running development chain."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from swarm_chain import children, config
from swarm_chain.accounts import development_signer
from swarm_chain.config import DevnetSettings
from swarm_chain.devnet import ports
from swarm_chain.devnet.flags import flags_for
from swarm_chain.devnet.programs import Client, find_client
from swarm_chain.devnet.rpc import call_rpc
from swarm_chain.errors import ChainUnavailable, ConfigurationError, WrongChain

READY_TIMEOUT: Final = 60.0
"""Seconds a chain gets to answer; Ganache takes four on a slow machine."""
STOP_TIMEOUT: Final = 30.0
"""Seconds a chain gets to write its state before it is killed."""


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
        ports.require_free_port(settings.host, settings.port)
        log_path = log or (state or config.home()) / f"{client}.log"
        flags = flags_for(client, settings, state)
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
            return ports.port_in_use(self.settings.host, self.settings.port)
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


def _overridden(settings: DevnetSettings, host: str | None, port: int | None) -> DevnetSettings:
    host = settings.host if host is None else host
    port = settings.port if port is None else port
    if not 0 <= port <= 65_535:
        raise ConfigurationError(f"port {port} does not exist; choose one from 1 to 65535, or 0 for any free one")
    return replace(settings, host=host, port=port or ports.free_port(host))


def _reachable(host: str) -> str:
    """An address at which this machine reaches a server that listens at `host`."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
