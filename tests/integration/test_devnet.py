"""Development chains as people run them: start, stop, come back, and everything that can be in the way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm_chain import config
from swarm_chain.accounts import development_signer
from swarm_chain.devnet import CLIENTS, Client, Devnet, call_rpc, find_client, free_port, ports, programs
from swarm_chain.errors import ChainUnavailable, ConfigurationError, PortInUse, ToolMissing

DEV0 = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
STRANGER = "0x" + "57" * 20
# PUSH1 0 PUSH1 0 LOG0, and no code: a deployment that leaves an event.
LOGGING = "0x60006000a060006000f3"


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    return found


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken


def send(chain: Devnet, *, nonce: int, to: str | None = STRANGER, data: str = "0x") -> str:
    """The hash of a transaction by dev0 that the chain has mined."""
    transaction = {
        "type": 2,
        "chainId": chain.chain_id,
        "nonce": nonce,
        "value": 1 if to else 0,
        "data": data,
        "gas": 200_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
    } | ({"to": to} if to else {})
    raw = development_signer("dev0", chain_id=chain.chain_id).sign_transaction(transaction)
    sent = str(chain.rpc("eth_sendRawTransaction", "0x" + raw.hex()))
    end = time.monotonic() + 60
    while (receipt := chain.rpc("eth_getTransactionReceipt", sent)) is None and time.monotonic() < end:
        time.sleep(0.05)  # Anvil's receipt can be some milliseconds late.
    assert receipt["status"] == "0x1"
    return sent


def test_start__answers_as_anvil_toml_says(devnet: Devnet) -> None:
    settings = config.load_devnet_settings()
    assert int(devnet.rpc("eth_chainId"), 16) == settings.chain_id == devnet.chain_id
    assert int(devnet.rpc("net_version")) == settings.chain_id
    block = devnet.rpc("eth_getBlockByNumber", "latest", False)
    assert int(block["gasLimit"], 16) == settings.gas_limit


def test_start__evm__is_of_shanghai(devnet: Devnet) -> None:
    push0, mcopy = "0x5f5ff3", "0x5f5f5f5e00"
    assert devnet.rpc("eth_call", {"data": push0}, "latest") == "0x"
    with pytest.raises(ChainUnavailable, match=r"opcode|EVM error"):
        devnet.rpc("eth_call", {"data": mcopy}, "latest")


def test_start__development_accounts__are_funded_and_the_chain_has_no_keys(devnet: Devnet) -> None:
    for index in range(devnet.settings.account_count):
        address = development_signer(f"dev{index}", chain_id=devnet.chain_id).checksum_address
        assert int(devnet.rpc("eth_getBalance", address, "latest"), 16) > 9_000 * 10**18
    assert devnet.rpc("eth_accounts") == []
    assert "Private Keys\n==================\n\n\n" in (log := devnet.log_path.read_text()) or "(0)" not in log


def test_stop__started_again_on_its_state__remembers_everything(client: Client, tmp_path: Path) -> None:
    with Devnet.start(client=client, port=0, state=tmp_path / "chain") as chain:
        send(chain, nonce=0)
        created = send(chain, nonce=1, to=None, data=LOGGING)
        block = chain.rpc("eth_getBlockByNumber", "latest", False)
        balance = chain.rpc("eth_getBalance", DEV0, "latest")
    assert not chain.is_running
    with Devnet.start(client=client, port=0, state=tmp_path / "chain") as again:
        assert again.rpc("eth_getBlockByNumber", "latest", False)["hash"] == block["hash"]
        assert again.rpc("eth_getBalance", DEV0, "latest") == balance
        assert again.rpc("eth_getTransactionReceipt", created)["blockHash"] == block["hash"]
        assert len(again.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})) == 1
        send(again, nonce=2)
        newer = again.rpc("eth_getBlockByNumber", "latest", False)
        assert int(newer["number"], 16) == int(block["number"], 16) + 1
        assert int(newer["timestamp"], 16) >= int(block["timestamp"], 16)


def test_start__without_state__leaves_nothing_to_come_back_to(client: Client, tmp_path: Path) -> None:
    with Devnet.start(client=client, port=0, log=tmp_path / "chain.log") as chain:
        send(chain, nonce=0)
    with Devnet.start(client=client, port=0, log=tmp_path / "chain.log") as again:
        assert again.rpc("eth_getTransactionCount", DEV0, "latest") == "0x0"


def test_start__anvil_runs_for_long__writes_no_state_of_old_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with Devnet.start(client="anvil", port=0, log=tmp_path / "chain.log") as chain:
        chain.rpc("anvil_mine", hex(1500))
        assert int(chain.rpc("eth_getBlockByNumber", "0x1", False)["number"], 16) == 1
        assert int(chain.rpc("eth_getBalance", DEV0, hex(600)), 16) > 0
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


def test_start__port_is_taken__raises_port_in_use(client: Client, listener: socket.socket, tmp_path: Path) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(PortInUse, match=f"port {port} .*--port"):
        Devnet.start(client=client, port=port, log=tmp_path / "chain.log")


def test_start__port_is_taken_after_the_check__raises_port_in_use(
    client: Client, listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "require_free_port", lambda host, port: None)
    with pytest.raises(PortInUse, match="--port"):
        Devnet.start(client=client, port=listener.getsockname()[1], log=tmp_path / "chain.log")


def test_start__stopped_a_moment_ago__takes_the_same_port(client: Client, tmp_path: Path) -> None:
    port = free_port()
    for _ in range(2):
        with Devnet.start(client=client, port=port, log=tmp_path / "chain.log") as chain:
            assert chain.rpc("eth_blockNumber")


def test_start__every_address__answers_on_them(client: Client, tmp_path: Path) -> None:
    with Devnet.start(client=client, host="0.0.0.0", port=0, log=tmp_path / "chain.log") as chain:  # noqa: S104
        assert chain.rpc_url == f"http://127.0.0.1:{chain.settings.port}"
        assert call_rpc(f"http://127.0.0.2:{chain.settings.port}", "eth_chainId") == hex(chain.chain_id)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1"])
def test_start__address_of_another_machine__raises_configuration_error(host: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1"):
        Devnet.start(host=host, port=18_545, log=tmp_path / "chain.log")


def test_start__client_refuses__says_why(tmp_path: Path) -> None:
    settings = config.load_devnet_settings()
    object.__setattr__(settings, "hardfork", "atlantis")
    with pytest.raises(ChainUnavailable, match=r"chain\.log"):
        Devnet.start(settings, port=0, log=tmp_path / "chain.log")


def test_start__unknown_client__raises_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="anvil or ganache"):
        Devnet.start(client="geth")  # type: ignore[arg-type]


def test_start__killed_parent__takes_the_chain_along_and_keeps_its_state(client: Client, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("the kernel tells children of their parent's death on Linux only")
    code = (
        "import sys, time; from pathlib import Path; from swarm_chain.devnet import Devnet\n"
        f"chain = Devnet.start(client={client!r}, port=0, state=Path({str(tmp_path / 'chain')!r}))\n"
        "print(chain.pid, chain.rpc_url, flush=True); time.sleep(600)"
    )
    environment = os.environ | {"PYTHONPATH": str(config.PACKAGE.parent)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pid, url = parent.stdout.readline().split()
        call_rpc(url, "evm_mine")
        height = call_rpc(url, "eth_blockNumber")
        parent.send_signal(signal.SIGKILL)
    assert _ends(int(pid))
    with Devnet.start(client=client, port=0, state=tmp_path / "chain") as again:
        assert again.rpc("eth_blockNumber") == height


def _ends(pid: int) -> bool:
    for _ in range(1200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


# -------------------------------------------------------------------------------------------------- finding the client


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No node_modules, nothing on the PATH but an empty folder, which is returned."""
    monkeypatch.setattr(config, "PACKAGE", tmp_path / "site-packages" / "swarm_chain")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_find_client__not_installed__says_how_to_install_it(client: Client, bare_machine: Path) -> None:
    with pytest.raises(ToolMissing, match=f"npm install.*SWARM_CHAIN_{client.upper()}"):
        find_client(client)


def test_find_client__on_the_path__is_found(client: Client, bare_machine: Path) -> None:
    program = bare_machine / client
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_client(client) == program


def test_find_client__named_by_the_environment__comes_first(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mine"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv(f"SWARM_CHAIN_{client.upper()}", str(program))
    assert find_client(client) == program


def test_find_client__environment_names_nothing__raises_configuration_error(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SWARM_CHAIN_{client.upper()}", "/nowhere/at/all")
    with pytest.raises(ConfigurationError, match="/nowhere/at/all"):
        find_client(client)


def test_find_client__npm_script_on_the_path__gives_the_native_program(bare_machine: Path) -> None:
    modules = bare_machine.parent / "lib" / "node_modules"
    script = modules / "@foundry-rs" / "anvil" / "bin.mjs"
    native = modules / f"@foundry-rs/anvil-{programs._platform()}/bin/anvil"
    for path in (script, native):
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    (bare_machine / "anvil").symlink_to(script)
    assert find_client("anvil") == native
