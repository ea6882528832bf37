"""What leaves this machine in an invitation, where others are to reach it: a real chain that listens for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm_chain.adapters.own_address import address_on_network
from swarm_chain.cli.told import endpoints_to_tell
from swarm_chain.config import load_node_config
from swarm_chain.core.invitation_codes import decode_invitation
from swarm_chain.devnet import Devnet
from tests.command_line import CommandLine

FAST = ("--set", "epochs=1")


@pytest.fixture(scope="module")
def network() -> str:
    """This machine's address on its network."""
    address = address_on_network()
    if address is None or address.version != 4:
        pytest.skip("this machine is on no network")
    return str(address)


@pytest.fixture(scope="module")
def everywhere(network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A chain that listens at every address of this machine."""
    log = tmp_path_factory.mktemp("chain") / "anvil.log"
    with Devnet.start(host="0.0.0.0", port=0, log=log) as devnet:  # noqa: S104
        yield devnet


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)


def test_endpoints_to_tell__chain_listens_for_others__names_the_address_that_they_reach(
    everywhere: Devnet, network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = endpoints_to_tell([everywhere.rpc_url, "https://rpc.example"], everywhere.chain_id)
    assert told == (f"http://{network}:{everywhere.settings.port}", "https://rpc.example")
    assert "where other machines reach this chain" in capsys.readouterr().err


def test_endpoints_to_tell__chain_listens_here_only__stays_and_says_what_to_do(
    anvil: Devnet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert endpoints_to_tell([anvil.rpc_url], anvil.chain_id) == (anvil.rpc_url,)
    said = capsys.readouterr().err
    assert "devnet --host 0.0.0.0" in said
    assert "--rpc URL" in said


def test_endpoints_to_tell__elsewhere__is_told_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert endpoints_to_tell(["https://rpc.example"], 1) == ("https://rpc.example",)
    assert capsys.readouterr().err == ""


def test_invite__chain_listens_for_others__code_is_of_use_to_them(
    everywhere: Devnet, network: str, line: CommandLine
) -> None:
    rpc, reached = ("--rpc", everywhere.rpc_url), f"http://{network}:{everywhere.settings.port}"
    line.must("deploy", *FAST, *rpc)
    address = line.must("account", "new", "alice", "--light").out.strip()
    invited = line.must("invite", address, "--fund", *rpc)
    code = decode_invitation(invited.out.strip())
    assert code.rpc_urls == (reached,)
    assert code.stores == ()
    assert str(line.home) not in invited.out
    assert "serve the store" in invited.err
    # Whoever deployed joins too: what no invitation names lies in the store of the home.
    line.must("join", invited.out.strip(), "--data", "digits:part=0,of=2,seed=0")
    config = load_node_config(line.home / "nodes" / "alice" / "node.toml")
    assert (config.rpc_urls, config.stores) == ((reached,), (f"local:{line.home}/store",))
    assert (config.serve, config.announce, config.allow_private_addresses) == ("auto", (), True)


def test_join__code_names_a_gateway_alone__a_store_of_ones_own_is_added(
    everywhere: Devnet, line: CommandLine, tmp_path: Path
) -> None:
    from swarm_chain import serving
    from swarm_chain.adapters.local_store import LocalStore

    rpc = ("--rpc", everywhere.rpc_url)
    line.must("deploy", *FAST, "--name", "second", *rpc)
    (tmp_path / "elsewhere").mkdir()
    other = CommandLine(folder=tmp_path / "elsewhere")
    address = other.must("account", "new", "bob", "--light").out.strip()
    with serving.start(LocalStore(line.home / "store", writable=False)) as gateway:
        code = line.must("invite", address, "--fund", "--contract", "second", *rpc, "--store", f"gateway:{gateway.url}")
        # A gateway of this machine is of no use to others; who is on it may be told by hand.
        assert "not in the invitation" in code.err
        other.must("join", code.out.strip(), "--data", "digits:part=0,of=2,seed=0", "--store", f"gateway:{gateway.url}")
    config = load_node_config(other.home / "nodes" / "bob" / "node.toml")
    assert config.stores == (f"local:{other.home}/store", f"gateway:{gateway.url}")


def test_deploy__chain_is_reached_by_others__says_how_they_get_the_task(
    everywhere: Devnet, network: str, line: CommandLine
) -> None:
    reached = f"http://{network}:{everywhere.settings.port}"
    said = line.must("deploy", *FAST, "--name", "third", "--rpc", reached).err
    assert f"swarm-chain store serve --host {network}" in said
    assert f"--store gateway:http://{network}:8080" in said
    said = line.must("deploy", *FAST, "--name", "fourth", "--rpc", everywhere.rpc_url).err
    assert "store serve" not in said
