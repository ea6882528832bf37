"""Private IPFS nodes on this machine: started together, connected with each other, and with nobody else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm_chain.adapters.kubo_store import KuboStore
from swarm_chain.adapters.stores import open_store
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.devnet import find_ipfs, ipfs
from swarm_chain.devnet.ipfs import IpfsNode, IpfsNodes
from swarm_chain.devnet.ipfs_settings import make_private
from swarm_chain.errors import ConfigurationError, StoreUnavailable, ToolMissing
from tests.e2e.running import processes_of
from tests.ipfs import NO_IPFS
from tests.ipfs import find_ipfs as find_test_ipfs

needs_ipfs = pytest.mark.skipif(find_test_ipfs() is None, reason=NO_IPFS)
DATA = b"seen by one node"
CID = cid_of(DATA, Codec.RAW)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IpfsNodes]:
    """Two nodes."""
    with IpfsNodes(tmp_path_factory.mktemp("ipfs")) as started:
        started.add("one", "two")
        yield started


def program(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)
    return path


def wait_for_statistics(node: IpfsNode, blocks: int) -> None:
    deadline = time.monotonic() + 60
    while node.bitswap().blocks_received < blocks and time.monotonic() < deadline:
        time.sleep(0.2)  # js-ipfs counts once a second.


@needs_ipfs
def test_nodes__a_block_on_one__crosses_to_the_other_by_bitswap(nodes: IpfsNodes) -> None:
    one, two = nodes.all
    assert CID.digest not in one.blocks() | two.blocks()
    before = two.bitswap()
    open_store(one.store).put(CID, DATA)
    assert CID.digest in one.blocks() - two.blocks()
    assert open_store(two.store).get(CID) == DATA
    assert CID.digest in two.blocks()
    wait_for_statistics(two, before.blocks_received + 1)
    after = two.bitswap()
    assert after.blocks_received == before.blocks_received + 1
    assert after.data_received >= before.data_received + len(DATA)


@needs_ipfs
def test_nodes__listen_and_look_nowhere_but_on_this_machine(nodes: IpfsNodes) -> None:
    for node in nodes.all:
        settings = json.loads((node.repository / "config").read_text())
        assert settings["Bootstrap"] == []
        assert settings["Routing"]["Type"] == "none"
        assert settings["Discovery"]["MDNS"]["Enabled"] is False
        assert settings["AutoConf"]["Enabled"] is False
        assert node.api.startswith("/ip4/127.0.0.1/tcp/")
        assert node._addresses
        assert all(address.startswith("/ip4/127.0.0.1/") for address in node._addresses)
        peers = node._ask("swarm/peers")[0]["Peers"]
        assert {peer["Peer"] for peer in peers} == {other.peer for other in nodes.all if other is not node}


@needs_ipfs
def test_nodes__started_again__keep_their_blocks_names_and_ports(tmp_path: Path) -> None:
    with IpfsNodes(tmp_path) as first:
        (node,) = first.add("one")
        open_store(node.store).put(CID, DATA)
        peer, api = node.peer, node.api
    assert not node.is_running
    with IpfsNodes(tmp_path) as again:
        (node,) = again.add("one")
        assert (node.peer, node.api) == (peer, api)
        assert isinstance(store := open_store(node.store), KuboStore)
        assert store.has(CID)
        again._program = program(tmp_path / "full", "echo no space left", "exit 1")
        with pytest.raises(StoreUnavailable, match=r"IPFS node two .*: no space left; see .*two/init.log"):
            again.add("two")
        assert node.is_running, "those that run are left alone"


@needs_ipfs
def test_nodes__one_is_killed__is_noticed(tmp_path: Path) -> None:
    with IpfsNodes(tmp_path) as started:
        (node,) = started.add("one")
        started.require_running()
        os.kill(node.pid, signal.SIGKILL)
        node._process.wait()
        with pytest.raises(StoreUnavailable, match=r"the IPFS node one ended by itself: .*; see .*daemon\.log"):
            started.require_running()
    assert processes_of(tmp_path) == []


def test_add__the_daemon_dies_at_once__says_its_last_line(tmp_path: Path) -> None:
    fake = program(
        tmp_path / "ipfs",
        'if [ "$1" = init ]; then mkdir -p "$IPFS_PATH"; echo "{}" > "$IPFS_PATH/config"; exit; fi',
        "echo 'Error: the lock is held by somebody'; exit 1",
    )
    nodes = IpfsNodes(tmp_path / "nodes")
    nodes._program = fake
    with pytest.raises(StoreUnavailable, match="node one ended by itself: Error: the lock is held by somebody; see"):
        nodes.add("one", "two")
    assert nodes.all == []
    assert processes_of(tmp_path) == []


@needs_ipfs
def test_add__a_node_finds_its_port_taken_and_hangs__is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def port(config: Path) -> None:
        make_private(config)
        if not taken:  # between the choice and the node's listening
            address = json.loads(config.read_text())["Addresses"]["API"]
            taken.append(socket.create_server(("127.0.0.1", int(address.split("/")[-1]))))

    monkeypatch.setattr(ipfs, "make_private", port)
    monkeypatch.setattr(ipfs, "READY_TIMEOUT", 20.0)
    with IpfsNodes(tmp_path) as started:
        (node,) = started.add("one")
        assert node.api.split("/")[-1] != str(taken[0].getsockname()[1])
        assert started.all == [node]
    taken[0].close()
    assert processes_of(tmp_path) == []


def test_add__a_node_never_answers__says_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = program(
        tmp_path / "ipfs",
        'if [ "$1" = init ]; then mkdir -p "$IPFS_PATH"; echo "{}" > "$IPFS_PATH/config"; exit; fi',
        'echo started >> "$IPFS_PATH/tries"; echo "Error: no room"; exec sleep 600',
    )
    monkeypatch.setattr(ipfs, "READY_TIMEOUT", 2.0)
    nodes = IpfsNodes(tmp_path / "nodes")
    nodes._program = fake
    with pytest.raises(StoreUnavailable, match=r"node one did not answer in time: Error: no room; see .*daemon\.log"):
        nodes.add("one")
    assert (tmp_path / "nodes/one/repository/tries").read_text() == "started\n" * ipfs.TRIES
    assert processes_of(tmp_path) == []


def test_add__a_program_without_import_profiles__is_set_up_without(tmp_path: Path) -> None:
    fake = program(
        tmp_path / "ipfs",
        'case "$*" in *unixfs*) echo "invalid profile"; exit 1;; esac',
        'if [ "$1" = init ]; then mkdir "$IPFS_PATH"; echo "{}" > "$IPFS_PATH/config"; exit; fi',
        "echo started; exit 1",
    )
    nodes = IpfsNodes(tmp_path / "nodes")
    nodes._program = fake
    with pytest.raises(StoreUnavailable, match="ended by itself: started"):
        nodes.add("one")


def test_make_private__whatever_kubo_wrote__nothing_leads_outside(tmp_path: Path) -> None:
    config = tmp_path / "config"
    outside = {
        "Addresses": {
            "API": "/ip4/127.0.0.1/tcp/5001",
            "Gateway": "/ip4/127.0.0.1/tcp/8080",
            "Swarm": ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/udp/4001/quic-v1"],
            "Announce": [],
        },
        "AutoConf": {},
        "Bootstrap": ["auto"],
        "DNS": {"Resolvers": {".": "auto"}},
        "Ipns": {"DelegatedPublishers": ["auto"], "ResolveCacheSize": 128},
        "Routing": {"DelegatedRouters": ["auto"]},
        "Identity": {"PeerID": "12D3"},
    }
    config.write_text(json.dumps(outside))
    make_private(config)
    text = config.read_text()
    found = json.loads(text)
    for leads_outside in ('auto"', "/ip4/0", "::", "/tcp/5001", "/tcp/8080", "/tcp/4001"):
        assert leads_outside not in text
    assert found["Ipns"]["ResolveCacheSize"] == 128
    assert found["Identity"] == {"PeerID": "12D3"}
    port = found["Addresses"]["API"]
    make_private(config)
    assert json.loads(config.read_text())["Addresses"]["API"] == port, "who wrote the store down finds it again"


def test_find_ipfs__none_is_installed__says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SWARM_CHAIN_IPFS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"install Kubo .* SWARM_CHAIN_IPFS"):
        find_ipfs()
    monkeypatch.setenv("SWARM_CHAIN_IPFS", str(tmp_path / "nothing"))
    with pytest.raises(ConfigurationError, match="SWARM_CHAIN_IPFS"):
        find_ipfs()


@needs_ipfs
def test_command__two_nodes__are_named_and_end_with_it(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "swarm_chain",
        "devnet",
        "--port",
        "0",
        "--ipfs",
        "2",
        "--state",
        str(tmp_path / "d"),
    ]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        said = ""
        while "Ctrl-C stops it" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
        try:
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert out.count("kubo:/ip4/127.0.0.1/tcp/") == 2
    assert processes_of(tmp_path) == []
    assert (tmp_path / "d/ipfs/node-2/repository/config").exists()
