"""A swarm by hand: every command in the order in which people type them, on a real chain."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.config import load_node_config
from swarm_chain.core.cids import document_cid
from swarm_chain.deployment.deployments import Deployments
from swarm_chain.devnet import Devnet, free_port
from swarm_chain.schemas import load_schema
from swarm_chain.status.node import read_node_status
from swarm_chain.types import Digest
from tests.command_line import CommandLine

FAST = ("--set", "epochs=1")


class Swarm:
    """A deployed swarm, and the command line of who deployed it."""

    def __init__(self, line: CommandLine, rpc: str, name: str, *options: str) -> None:
        self.line, self.rpc, self.name = line, ("--rpc", rpc), name
        self.deployed = line.must("deploy", *FAST, "--name", name, *options, *self.rpc)
        self.contract = self.deployed.out.splitlines()[0].split()[1]
        self.at = ("--contract", name, *self.rpc)

    def join(self, account: str, part: int) -> str:
        """Makes an account and lets it join; its address."""
        address = self.line.must("account", "new", account, "--light").out.strip()
        code = self.line.must("invite", address, "--fund", *self.at).out.strip()
        self.line.must("join", code, "--data", f"digits:part={part},of=3,seed=0")
        return address

    def status(self) -> dict[str, object]:
        document: dict[str, object] = json.loads(self.line.must("status", self.name, "--json", "-", *self.rpc).out)
        return document


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(folder=tmp_path_factory.mktemp("by hand"))


@pytest.fixture(scope="module")
def swarm(line: CommandLine, anvil: Devnet) -> Swarm:
    """A sealed swarm of two nodes that no agent runs for."""
    made = Swarm(line, anvil.rpc_url, "by-hand")
    made.join("alice", 0)
    made.join("bob", 1)
    return made


@pytest.fixture
def empty(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)


# --------------------------------------------------------------------------------------------------------------- deploy


def test_deploy__prints_contract_and_documents_that_are_in_the_store(swarm: Swarm) -> None:
    facts = dict(row.split(maxsplit=1) for row in swarm.deployed.out.splitlines())
    digest, cid = facts["genesis"].split()
    assert str(document_cid(Digest(bytes.fromhex(digest[2:])))) == cid
    assert facts["store"] == f"local:{swarm.line.home}/store"
    assert list((swarm.line.home / "store").glob(f"*/{cid}"))
    assert "nodes that may fail" in swarm.deployed.err
    assert "swarm-chain invite ADDRESS --fund --contract by-hand" in swarm.deployed.err
    recorded = Deployments(swarm.line.folder / "deployments.json").choose(31337, "by-hand")
    assert "0x" + (recorded.contract or b"").hex() == swarm.contract.lower()


def test_deploy__again__does_nothing(swarm: Swarm) -> None:
    again = swarm.line.must("deploy", *FAST, "--name", "by-hand", *swarm.rpc)
    assert "nothing to do" in again.err
    assert swarm.contract in again.out


def test_deploy__dry_run__sends_and_writes_nothing(empty: CommandLine, anvil: Devnet) -> None:
    before = anvil.rpc("eth_blockNumber")
    done = empty.must("deploy", "--dry-run", "--nodes", "6", "--min-updates", "5", "--rpc", anvil.rpc_url)
    assert "would do: deploy SwarmCoordinator" in done.err
    assert "warning: minUpdates 5 is above the quorum" in done.err
    assert [row.split()[0] for row in done.err.splitlines() if row.strip().startswith("6 ")] == ["6"]
    assert anvil.rpc("eth_blockNumber") == before
    assert not list(empty.folder.iterdir())


def test_deploy__every_choice__is_on_the_chain(empty: CommandLine, anvil: Devnet) -> None:
    options = {
        "--quorum-bps": "6667",
        "--min-updates": "3",
        "--initial-window": "20m",
        "--min-window": "30s",
        "--max-window": "2h",
        "--reveal-window": "3m",
        "--merge-window": "4m",
        "--absence-limit": "7",
        "--admin": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "--merge": "trimmed_mean:f=1",
        "--seed": "3",
        "--max-samples": "500",
        "--max-share-bps": "4000",
        "--store": "local:elsewhere",
    }
    words = [word for pair in options.items() for word in pair]
    done = empty.must("deploy", *words, "--direct", "--open-registration", *FAST, "--rpc", anvil.rpc_url)
    found = json.loads(empty.must("status", "--json", "-", "--rpc", anvil.rpc_url, "--store", "local:elsewhere").out)
    assert found["configuration"] == {
        "sealed": False,
        "quorum_bps": 6667,
        "min_updates": 3,
        "initial_window": 1200,
        "min_window": 30,
        "max_window": 7200,
        "reveal_window": 180,
        "merge_window": 240,
        "absence_limit": 7,
        "open_registration": True,
        "admin": "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
    }
    assert "warning: registration is open" in done.err
    with empty.here():
        from swarm_chain.adapters.stores import open_store
        from swarm_chain.core import documents
        from swarm_chain.core.documents import TaskDocument

        digest = Digest(bytes.fromhex(found["task"]["digest"][2:]))
        task = documents.read(open_store("local:elsewhere").get, digest, TaskDocument)
    assert (task.merge.rule, dict(task.merge.parameters)) == ("trimmed_mean", {"f": 1})
    assert (task.merge.max_samples, task.merge.max_share_bps) == (500, 4000)
    assert (task.training["seed"], task.training["epochs"]) == (3, 1)


def test_deploy__registrar__may_invite(line: CommandLine, anvil: Devnet) -> None:
    second = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
    swarm = Swarm(line, anvil.rpc_url, "two-registrars", "--registrar", second)
    assert line.must("invite", second, "--account", "dev2", *swarm.at).out.startswith("swarm1_")


def test_migrations__after_a_deployment__says_where_each_was_applied(swarm: Swarm) -> None:
    rows = swarm.line.must("migrations").out.splitlines()
    assert any("by-hand" in row and "m0001" in row and "applied" in row for row in rows)


# ----------------------------------------------------------------------------------------------------- account and join


def test_account_list__shows_names_and_addresses(swarm: Swarm) -> None:
    assert "alice" in swarm.line.must("account", "list").out


def test_account_import__key_from_stdin__shows_its_address_and_never_the_key(empty: CommandLine) -> None:
    key = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
    done = empty.must("account", "import", "dave", "--key-file", "-", "--light", stdin=key)
    assert done.out.strip() == "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    assert key not in done.out + done.err
    assert key not in (empty.home / "keystores" / "dave.json").read_text()


def test_account_import__another_wallets_keystore__is_the_same_account(empty: CommandLine) -> None:
    address = empty.must("account", "new", "erin", "--light").out
    (empty.home / "keystores" / "erin.json").rename(empty.folder / "theirs.json")
    done = empty.must("account", "import", "frank", "--keystore", str(empty.folder / "theirs.json"), "--light")
    assert done.out == address


def test_join__writes_a_configuration_that_says_everything(swarm: Swarm) -> None:
    config = load_node_config(swarm.line.home / "nodes" / "alice" / "node.toml")
    assert "0x" + config.contract.hex() == swarm.contract.lower()
    assert config.chain_id == 31337
    assert config.stores == (f"local:{swarm.line.home}/store",)
    assert config.data == "digits:part=0,of=3,seed=0"
    assert config.keystore == swarm.line.home / "keystores" / "alice.json"
    assert (config.task, config.label, config.confirmations) == ("digits", "alice", 0)


def test_join__broke_off_after_registering__writes_the_configuration(line: CommandLine, swarm: Swarm) -> None:
    address = line.must("account", "new", "gina", "--light").out.strip()
    code = line.must("invite", address, "--fund", *swarm.at).out.strip()
    data = ("--data", "digits:part=2,of=3,seed=0")
    line.must("join", code, *data)
    (line.home / "nodes" / "gina" / "node.toml").unlink()
    assert "is a node of the swarm already" in line.must("join", code, *data).err
    assert (line.home / "nodes" / "gina" / "node.toml").exists()
    line.must("node", "remove", address, *swarm.at)


def test_join__two_swarms_with_one_account__takes_another_name(line: CommandLine, swarm: Swarm, anvil: Devnet) -> None:
    other = Swarm(line, anvil.rpc_url, "second")
    keystore = line.must("account", "list").out.splitlines()
    alice = next(row.split()[1] for row in keystore if "alice" in row)
    code = line.must("invite", alice, *other.at).out.strip()
    data = ("--data", "digits:part=0,of=3,seed=0")
    assert "choose another name" in line.run("join", code, *data).error
    line.must("join", code, *data, "--name", "alice-2", "--label", "Alice's second")
    assert load_node_config(line.home / "nodes" / "alice-2" / "node.toml").label == "Alice's second"


# ------------------------------------------------------------------------------------------------------- calls by hand


def test_calls__membership_by_hand__every_event_is_printed(line: CommandLine, anvil: Devnet) -> None:
    swarm = Swarm(line, anvil.rpc_url, "membership", "--open-registration")
    dev3, dev4 = "0x90F79bf6EB2c4f870365E785982E1f101E93b906", "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
    steps = [
        (("node", "register", "--label", "three", "--account", "dev3"), "NodeRegistered", "label=three"),
        (("node", "add", dev4, "--label", "four"), "NodeRegistered", "label=four"),
        (("node", "announce", "https://a.example", "/ip4/1.2.3.4", "--account", "dev3"), "NodeAnnounced", dev3),
        (("node", "suspend", dev3, "--account", "dev3"), "NodeSuspended", "reason=own_request"),
        (("node", "resume", "--account", "dev3"), "NodeResumed", dev3),
        (("node", "suspend", dev3), "NodeSuspended", "reason=registrar"),
        (("node", "lift", dev3), "NodeResumed", dev3),
        (("node", "remove", dev4), "NodeRemoved", dev4),
        (("registrar", "add", dev4), "RoleGranted", dev4.lower()),
        (("registrar", "remove", dev4), "RoleRevoked", dev4.lower()),
    ]
    for command, event, detail in steps:
        done = line.must(*command, *swarm.at)
        assert done.out.startswith(event + " "), (command, done.out)
        assert detail in done.out
    assert line.must("registrar", "remove", dev4, *swarm.at).out == ""


def test_calls__a_round_by_hand__ends_in_the_result(line: CommandLine, anvil: Devnet) -> None:
    swarm = Swarm(line, anvil.rpc_url, "round-by-hand", "--open-registration")
    update, result = "0x" + "11" * 32, "0x" + "22" * 32
    both = ("dev5", "dev6")
    for node in both:
        line.must("node", "register", "--account", node, *swarm.at)
    assert "RoundOpened round=1" in line.must("round", "open", "--account", "dev5", *swarm.at).out
    for act in ("commit", "reveal"):
        for node in both:
            line.must("round", act, update, "--samples", "70", "--account", node, *swarm.at)
    line.must("round", "attest", result, "--round", "1", "--account", "dev5", *swarm.at)
    last = line.must("round", "attest", result, "--account", "dev6", *swarm.at)
    assert f"RoundFinalized round=1 result={result} attestations=2" in last.out
    found = swarm.status()
    assert found["head"] == {"digest": result, "cid": line.must("cid", result).out.strip(), "round": 1}


def test_calls__a_direct_round_by_hand__submits_and_closes(line: CommandLine, anvil: Devnet) -> None:
    swarm = Swarm(line, anvil.rpc_url, "direct-by-hand", "--direct", "--open-registration", "--min-window", "1s")
    for node in ("dev5", "dev6", "dev7"):
        line.must("node", "register", "--account", node, *swarm.at)
    line.must("round", "open", "--account", "dev5", *swarm.at)
    for node in ("dev5", "dev6"):
        done = line.must("round", "submit", "0x" + "11" * 32, "--samples", "9", "--account", node, *swarm.at)
        assert "UpdateRevealed round=1" in done.out
    waiting = swarm.status()["round"]["waiting_for"]  # type: ignore[index]
    assert waiting == {"act": "submit", "nodes": ["0x14dc79964da2c08b23698b3d3cc7ca32193d9955"]}
    assert "DeadlineNotReached" in line.run("round", "close", *swarm.at).error
    anvil.rpc("evm_increaseTime", 700)
    anvil.rpc("evm_mine")
    assert "RoundClosed round=1 updates=2" in line.must("round", "close", *swarm.at).out


# --------------------------------------------------------------------------------------------------------------- status


def test_status__for_people__names_nodes_and_what_is_waited_for(swarm: Swarm) -> None:
    done = swarm.line.must("status", swarm.contract, *swarm.rpc)
    assert "alice" in done.out
    assert "(genesis)" in done.out


def test_status__json__fits_its_schema(swarm: Swarm, tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    done = swarm.line.must("status", "--node", "alice", "--json", str(file), "--rpc", swarm.rpc[1])
    written = json.loads(file.read_text())
    Draft202012Validator(load_schema("status")).validate(written)
    assert [node["label"] for node in written["nodes"]] == ["alice", "bob"]
    assert "alice" in done.out


def test_status__contract_left_out__is_the_only_deployment(empty: CommandLine, anvil: Devnet) -> None:
    only = Swarm(empty, anvil.rpc_url, "only")
    assert only.contract in empty.must("status", *only.rpc).out


# ---------------------------------------------------------------------------------------------------------------- agent


@pytest.fixture(scope="module")
def trained(line: CommandLine, anvil: Devnet) -> tuple[Swarm, list[str]]:
    """A swarm whose two agents ended: one after a round, the other when it was told to. And the other's threads."""
    swarm = Swarm(line, anvil.rpc_url, "trained")
    swarm.join("carol", 0)
    swarm.join("dan", 1)
    dan = line.spawn("agent", "run", "--config", str(line.home / "nodes" / "dan" / "node.toml"))
    carol = line.must("agent", "run", "carol", "--rounds", "1", "--tensorboard", "curves")
    threads = _lasting_threads(dan.pid)
    dan.send_signal(signal.SIGTERM)
    log = dan.communicate(timeout=60)[1]
    assert dan.returncode == 0, log
    return swarm, [carol.err, log, " ".join(threads)]


def _lasting_threads(pid: int) -> set[str]:
    """A process's threads but for those that read or hash something for a moment."""
    found = _threads(pid)
    for _ in range(20):
        time.sleep(0.05)
        found &= _threads(pid)
    return found


def _threads(pid: int) -> set[str]:
    return {entry.name for entry in Path("/proc", str(pid), "task").glob("*")}


def test_agent_run__logs_a_line_for_each_thing_it_does(trained: tuple[Swarm, list[str]]) -> None:
    _, logs = trained
    for does in ("training", "committing", "publishing", "revealing", "merging", "attesting", "suspending", "stopped"):
        assert f"round 1: {does}" in logs[0]
    assert "samples: accuracy" in logs[0]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not list a process's threads")
def test_agent_run__trained__has_started_no_thread_for_it(trained: tuple[Swarm, list[str]]) -> None:
    assert len(trained[1][2].split()) == 1


def test_agent_run__ends__has_scored_the_head_that_it_ends_with(trained: tuple[Swarm, list[str]]) -> None:
    swarm, logs = trained
    (line,) = [line for line in logs[0].splitlines() if "scoring done" in line]
    assert "the head, of round 1, here: accuracy 0." in line
    found = swarm.status()
    (agent,) = [node["agent"] for node in found["nodes"] if node["label"] == "carol"]  # type: ignore[attr-defined]
    assert (agent["head"], agent["head_round"]) == (found["head"]["digest"], 1)  # type: ignore[index]
    assert agent["head_metrics"]["test_samples"] > 0
    assert f"accuracy {agent['head_metrics']['accuracy']:.4g}" in line


def test_agent_run__tensorboard__writes_a_run_of_this_node_and_swarm(trained: tuple[Swarm, list[str]]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    swarm, _ = trained
    (folder,) = (swarm.line.folder / "curves").iterdir()
    assert folder.name == f"carol-{swarm.contract[2:10].lower()}"
    reader = EventAccumulator(str(folder))
    reader.Reload()
    points = {
        tag: [one.step for one in reader.Scalars(tag)] for tag in ("base/accuracy", "local/loss", "head/accuracy")
    }
    assert points == {"base/accuracy": [1], "local/loss": [1], "head/accuracy": [0, 1]}
    assert reader.Scalars("traffic/up")[0].value > 1000


def test_agent_run__bytes__are_counted_shown_and_go_on_after_a_start(trained: tuple[Swarm, list[str]]) -> None:
    swarm, _ = trained

    def traffic() -> dict[str, int]:
        (agent,) = [node["agent"] for node in swarm.status()["nodes"] if node["label"] == "carol"]  # type: ignore[attr-defined]
        assert agent["data_bytes"] is None, "its data are computed, not read"
        found: dict[str, int] = agent["traffic"]
        return found

    before = traffic()
    weights = 4 * (64 * 128 + 128 + 128 * 10 + 10)
    assert before["store_written"] > 2 * weights, "an update and a result"
    assert before["store_read"] > 2 * weights
    assert min(before["rpc_sent"], before["rpc_received"]) > 1000
    swarm.line.must("agent", "run", "carol", "--until", "accuracy>=0.01")
    after = traffic()
    assert all(after[name] >= count for name, count in before.items())
    assert after["rpc_sent"] > before["rpc_sent"]
    shown = swarm.line.must("status", "trained", *swarm.rpc).out
    assert "up: RPC" in shown
    assert "unknown" in shown


def test_agent_run__told_to_end__ends_in_order(trained: tuple[Swarm, list[str]]) -> None:
    swarm, logs = trained
    assert "ending in order" in logs[1]
    for name in ("carol", "dan"):
        written = read_node_status(swarm.line.home / "nodes" / name)
        assert written is not None
        assert (written.activity.does, written.is_running, written.name) == ("stopped", False, name)


def test_status__after_a_round__shows_metrics_and_who_is_suspended(trained: tuple[Swarm, list[str]]) -> None:
    swarm, _ = trained
    found = swarm.status()
    Draft202012Validator(load_schema("status")).validate(found)
    assert found["finalized_rounds"] == 1
    nodes = {node["label"]: node for node in found["nodes"]}  # type: ignore[attr-defined]
    assert {node["status"] for node in nodes.values()} == {"suspended"}
    assert 0 < nodes["carol"]["last_update"]["local_metrics"]["accuracy"] <= 1
    assert "stopped" in swarm.line.must("status", "trained", *swarm.rpc).out


def test_agent_run__condition_is_met_already__ends_at_once(trained: tuple[Swarm, list[str]]) -> None:
    swarm, _ = trained
    done = swarm.line.must("agent", "run", "carol", "--until", "accuracy>=0.01")
    assert "training" not in done.err
    assert swarm.status()["finalized_rounds"] == 1


# --------------------------------------------------------------------------------------------------------------- devnet


def test_devnet__says_how_to_go_on_and_keeps_its_chain(empty: CommandLine) -> None:
    port = free_port()
    rpc = f"http://127.0.0.1:{port}"
    first, said = _started(empty, "devnet", "--port", str(port))
    assert "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266" in said
    empty.must("deploy", *FAST, "--rpc", rpc)
    err = _stopped(first, signal.SIGINT)
    assert f"swarm-chain deploy --rpc {rpc}" in err
    second, _ = _started(empty, "devnet", "--port", str(port))
    assert "(genesis)" in empty.must("status", "--rpc", rpc).out
    _stopped(second, signal.SIGTERM)
    third, _ = _started(empty, "devnet", "--port", str(port), "--fresh")
    assert "no contract" in empty.run("status", "--rpc", rpc).error
    _stopped(third, signal.SIGINT)


def _started(line: CommandLine, *command: str) -> tuple[subprocess.Popen[str], str]:
    """A chain that is ready, and what it said until then."""
    process = line.spawn(*command)
    assert process.stdout is not None
    said = ""
    while "state " not in said:
        row = process.stdout.readline()
        assert row, process.communicate()
        said += row
    return process, said


def _stopped(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """What it said on stderr, once it ended in order."""
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return err
