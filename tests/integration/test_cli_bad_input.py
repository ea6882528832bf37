"""Bad input: one line that says what is wrong and what to do, and an exit status that is not 0."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from swarm_chain.accounts import Signer, development_signer
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.stores import open_store
from swarm_chain.core import weights
from swarm_chain.core.cids import Cid, document_cid
from swarm_chain.core.documents import ShippedSource, genesis
from swarm_chain.core.invitation_codes import InvitationCode, decode_invitation, encode_invitation
from swarm_chain.core.merge import parse_rule
from swarm_chain.deployment import deploy, swarm_config
from swarm_chain.deployment.deployer import Deployer
from swarm_chain.deployment.deployments import Deployments
from swarm_chain.devnet import Devnet, free_port
from swarm_chain.genesis import Genesis, make_genesis, merge_settings, put_genesis
from swarm_chain.tasks import load_task
from swarm_chain.types import Address, Digest, Timestamp
from tests.command_line import PASSWORD, CommandLine

DATA = ("--data", "digits:part=0,of=3,seed=0")
NOWHERE = "0x00000000000000000000000000000000000000aa"
LATER = Timestamp(2**40)


def dev(index: int) -> Signer:
    return development_signer(f"dev{index}", chain_id=31337)


class World:
    """A deployed swarm, and one account that could join it."""

    def __init__(self, line: CommandLine, anvil: Devnet) -> None:
        self.line = line
        self.rpc = ("--rpc", anvil.rpc_url)
        self.at = ("--contract", "swarm", *self.rpc)
        self.deployed = line.must("deploy", "--set", "epochs=1", "--name", "swarm", *self.rpc)
        self.address = line.must("account", "new", "alice", "--light").out.strip()
        self.account = Address(bytes.fromhex(self.address[2:]))
        self.code = line.must("invite", self.address, *self.at).out.strip()
        self.invited = decode_invitation(self.code)

    def invitation(self, *, signer: Signer | None = None, **changes: object) -> str:
        """A code for the swarm, with an invitation that differs from the good one."""
        signer = signer or dev(0)
        invitation = replace(self.invited.invitation, **changes)  # type: ignore[arg-type]
        signature = signer.sign_invitation(invitation, chain_id=31337, contract=self.invited.contract)
        return self.encoded(invitation=invitation, signature=signature)

    def encoded(self, **changes: object) -> str:
        code: InvitationCode = replace(self.invited, **changes)  # type: ignore[arg-type]
        return encode_invitation(code)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, anvil: Devnet) -> World:
    return World(CommandLine(folder=tmp_path_factory.mktemp("bad input")), anvil)


@pytest.fixture
def empty(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)


# -------------------------------------------------------------------------------------------- in processes of their own


def test_process__wrong_rpc__says_which_and_what_to_check(empty: CommandLine) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    error = empty.finish("status", NOWHERE, "--rpc", url).error
    assert url in error
    assert "check the RPC URL" in error


def test_process__port_in_use__says_how_to_choose_another(empty: CommandLine, anvil: Devnet) -> None:
    error = empty.finish("devnet", "--port", str(anvil.settings.port)).error
    assert f"port {anvil.settings.port}" in error
    assert "--port" in error


def test_process__password_asked_for_without_a_terminal__says_how_to_give_it(empty: CommandLine) -> None:
    environment = {key: value for key, value in empty.environment().items() if key != "SWARM_CHAIN_PASSWORD"}
    command = [sys.executable, "-m", "swarm_chain", "account", "new", "alice"]
    done = subprocess.run(
        command,
        cwd=empty.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "error: a password is needed: give --password-file FILE or set SWARM_CHAIN_PASSWORD\n"


def test_process__interrupted_while_it_waits__says_nothing_ugly(world: World) -> None:
    process = world.line.spawn("node", "add", NOWHERE, "--confirmations", "9", *world.at)
    assert process.stderr is not None
    said = ""
    while "waiting for 9 blocks" not in said:
        row = process.stderr.readline()
        assert row, process.communicate()
        said += row
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors.strip()) == (130, "")


# ------------------------------------------------------------------------------------------------------------ the chain


def test_status__no_contract_there__says_so(world: World) -> None:
    error = world.line.run("status", NOWHERE, *world.rpc).error
    assert f"no contract at {NOWHERE}" in error
    assert "check the address" in error


def test_status__not_an_address_and_no_deployment__names_those_there_are(world: World) -> None:
    assert "no deployment nothing" in world.line.run("status", "nothing", *world.rpc).error
    assert "swarm" in world.line.run("status", "nothing", *world.rpc).error


def test_status__no_deployment_at_all__says_how_to_make_one(empty: CommandLine, anvil: Devnet) -> None:
    assert "swarm-chain deploy" in empty.run("status", "--rpc", anvil.rpc_url).error


def test_status__network_of_another_chain__says_which(world: World, empty: CommandLine) -> None:
    settings = f'[networks.other]\nchain_id = 5\nrpc_urls = ["{world.rpc[1]}"]\n'
    (empty.folder / "swarm-chain.toml").write_text(settings)
    error = empty.run("status", NOWHERE, "--network", "other").error
    assert "serves chain 31337, not 5" in error


def test_status__unknown_network__says_how_to_add_it(empty: CommandLine) -> None:
    assert "[networks.sepolia]" in empty.run("status", NOWHERE, "--network", "sepolia").error


def test_status__not_a_url__is_refused(empty: CommandLine) -> None:
    assert "http:// or https://" in empty.run("status", NOWHERE, "--rpc", "ftp://host").error


def test_join__code_of_another_chain__says_which(world: World) -> None:
    error = world.line.run("join", world.encoded(chain_id=5), *DATA).error
    assert "serves chain 31337, not 5" in error


def test_join__code_of_another_contract__says_so(world: World) -> None:
    code = world.encoded(contract=Address(bytes.fromhex(NOWHERE[2:])))
    assert f"no contract at {NOWHERE}" in world.line.run("join", code, *DATA).error


def test_join__no_funds__says_who_needs_ether(world: World) -> None:
    error = world.line.run("join", world.code, *DATA).error
    assert world.address.lower() in error
    assert "send it some ether" in error
    assert not (world.line.home / "nodes" / "alice").exists()


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("round", "open"), "NotActive"),
        (("round", "commit", "0x" + "11" * 32, "--samples", "5"), "WrongPhase"),
        (("round", "commit", "0x" + "11" * 32, "--samples", "5", "--round", "7"), "NotCurrentRound"),
        (("round", "submit", "0x" + "11" * 32, "--samples", "5"), "NotDirect"),
        (("round", "close"), "WrongPhase"),
        (("node", "resume"), "NotRegistered"),
        (("node", "announce", "https://a.example"), "NotRegistered"),
        (("node", "register"), "RegistrationNotOpen"),
        (("node", "add", NOWHERE), "NotRegistrar"),
        (("node", "remove", NOWHERE), "NotRegistrar"),
        (("registrar", "add", NOWHERE), "who alone names registrars"),
        (("invite", NOWHERE), "NotRegistrar"),
    ],
)
def test_calls__refused_by_the_contract__name_its_error(world: World, command: tuple[str, ...], named: str) -> None:
    assert named in world.line.run(*command, "--account", "dev9", *world.at).error


# ---------------------------------------------------------------------------------------------------------- invitations


def test_join__expired__says_when(world: World) -> None:
    error = world.line.run("join", world.invitation(expiry=Timestamp(1_000_000_000)), *DATA).error
    assert "expired at 1000000000" in error


def test_join__signature_of_another__is_forged(world: World) -> None:
    assert "was not signed by" in world.line.run("join", world.invitation(signer=dev(5)), *DATA).error


def test_join__changed_after_signing__is_forged(world: World) -> None:
    longer = world.encoded(invitation=replace(world.invited.invitation, expiry=LATER))
    assert "was not signed by" in world.line.run("join", longer, *DATA).error


def test_join__registrar_is_none__is_refused_by_the_contract(world: World) -> None:
    world.line.must("account", "new", "rich", "--light")
    rich = next(row.split()[1] for row in world.line.must("account", "list").out.splitlines() if "rich" in row)
    world.line.must("invite", rich, "--fund", *world.at)
    account = Address(bytes.fromhex(rich[2:]))
    code = world.invitation(signer=dev(5), registrar=dev(5).address, account=account)
    assert "InvitationNotFromRegistrar" in world.line.run("join", code, *DATA).error


def test_join__for_someone_else__says_for_whom(world: World) -> None:
    world.line.must("account", "new", "mallory", "--light")
    error = world.line.run("join", world.code, "--account", "mallory", *DATA).error
    assert f"is for {world.address.lower()}" in error


def test_join__keystore_missing__names_the_account(world: World, empty: CommandLine) -> None:
    error = empty.run("join", world.code, *DATA).error
    assert world.address in error
    assert "account import" in error


def test_join__used__is_registered_already(world: World) -> None:
    address = world.line.must("account", "new", "once", "--light").out.strip()
    code = world.line.must("invite", address, "--fund", "0.5", *world.at).out.strip()
    world.line.must("join", code, *DATA)
    assert "AlreadyRegistered" in world.line.run("join", code, *DATA).error
    world.line.must("node", "remove", address, *world.at)
    assert "RemovedByRegistrar" in world.line.run("join", code, *DATA).error


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda code: code[:60], "the end of this invitation code is missing"),
        (lambda code: code[:80] + ("a" if code[80] != "a" else "b") + code[81:], "was changed on its way"),
        (lambda code: code.replace("swarm1_", "swarm2_"), "update swarm-chain"),
        (lambda code: "hello", "starts with swarm1_"),
    ],
)
def test_join__code_is_damaged__says_how(world: World, spoil: object, said: str) -> None:
    assert callable(spoil)
    assert said in world.line.run("join", spoil(world.code), *DATA).error


def test_join__development_account__needs_a_keystore(world: World) -> None:
    assert "account new" in world.line.run("join", world.code, "--account", "dev1", *DATA).error


def test_join__no_data__says_how_the_task_takes_it(world: World) -> None:
    assert "digits:part=0,of=4,seed=0" in world.line.run("join", world.code).error


@pytest.mark.parametrize("data", ["digits:part=7,of=3,seed=0", "digits:all", "/nowhere.npz"])
def test_join__data_cannot_be_read__is_said_before_anything_is_sent(world: World, data: str) -> None:
    assert world.line.run("join", world.code, "--data", data).error
    assert not (world.line.home / "nodes" / "alice").exists()


def test_join__label_too_long__names_the_limit(world: World) -> None:
    address = world.line.must("account", "new", "wordy", "--light").out.strip()
    code = world.line.must("invite", address, "--fund", *world.at).out.strip()
    assert "LabelTooLong" in world.line.run("join", code, "--label", "x" * 65, *DATA).error


def test_join__name_that_no_folder_has__is_wrong_usage(world: World) -> None:
    done = world.line.run("join", world.code, "--name", "../alice", *DATA)
    assert (done.status, done.err.count("\n")) == (2, 1)


# ------------------------------------------------------------------------------------------------------- task and store


@pytest.fixture(scope="module")
def foreign(world: World, anvil: Devnet) -> World:
    """A swarm whose task is `digits` of a version that is not installed here, at another learning rate."""
    with world.line.here():
        task = load_task("digits")
        made = make_genesis(task, merge_settings(parse_rule("mean")))
        document = replace(made.task, source=ShippedSource(name="digits", version="99"))
        result = genesis(document, weights=made.result.weights, size=made.result.bytes)
        put_genesis(Genesis(task=document, result=result, weights=made.weights), open_store(_store(world)))
        config = swarm_config(task_digest=document.digest(), genesis_digest=result.digest(), admin=dev(0).address)
        deploy(config, deployer=Deployer.of([anvil.rpc_url], dev(0)), deployments=Deployments(), name="foreign")
    return world


def test_join__task_differs__shows_the_difference(foreign: World) -> None:
    code = foreign.line.must("invite", foreign.address, "--contract", "foreign", *foreign.rpc).out.strip()
    error = foreign.line.run("join", code, *DATA).error
    assert "source.version: '1' here, '99' there" in error
    assert "install the same" in error


def test_join__task_is_in_no_store__says_how_to_give_one(world: World) -> None:
    error = world.line.run("join", world.code, "--store", "local:somewhere-else", *DATA).error
    assert "does not have the swarm's task" in error
    assert "--store" in error


def test_join__store_is_corrupted__says_which_block(world: World) -> None:
    task = _task_cid(world)
    path = LocalStore(world.line.home / "store").path(task)
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    try:
        assert str(task) in world.line.run("join", world.code, *DATA).error
        assert world.line.run("join", world.code, *DATA).error.startswith("error: ")
    finally:
        path.write_bytes(good)


@pytest.mark.parametrize("store", ["s3:bucket", "https://ipfs.io", "store", "local:"])
def test_status__unknown_store__says_what_is_known(world: World, store: str) -> None:
    assert "local:PATH" in world.line.run("status", "swarm", "--store", store, *world.rpc).error


def test_status__store_that_is_not_there__is_not_made(world: World) -> None:
    assert "there is no store at" in world.line.run("status", "swarm", "--store", "local:not-there", *world.rpc).error
    assert not (world.line.folder / "not-there").exists()


# --------------------------------------------------------------------------------------------------------------- deploy


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--task", "retina"), "no task 'retina'"),
        (("--merge", "average"), "no merge rule 'average'"),
        (("--merge", "trimmed_mean"), "trimmed_mean:f="),
        (("--merge", "trimmed_mean:f=2", "--nodes", "4"), "trimmed_mean:f=2 needs 5 updates, and 4 nodes give"),
        (("--merge", "krum:f=2", "--nodes", "4"), "krum:f=2 needs 5 updates, and 4 nodes give"),
        (("--set", "dropout=0.5"), "no hyper-parameter dropout"),
        (("--set", "epochs=many"), "epochs=many is no int"),
        (("--set", "epochs=0"), "epochs"),
        (("--quorum-bps", "5000"), "QuorumOutOfRange(quorumBps=5000)"),
        (("--min-updates", "1"), "MinUpdatesTooSmall"),
        (("--min-window", "1h"), "WindowsOutOfOrder"),
        (("--absence-limit", "0"), "ZeroAbsenceLimit"),
        (("--max-window", "300d"), "MaxWindowTooLong"),
        (("--name", "Big Swarm"), "cannot be a deployment's name"),
        (("--account", "nobody"), "no keystore nobody"),
        (("--account", "dev99"), "not a development account"),
        (("--init", "nowhere.safetensors"), "cannot be read"),
    ],
)
def test_deploy__nonsense__says_what_is_wrong(
    empty: CommandLine, anvil: Devnet, options: tuple[str, ...], said: str
) -> None:
    assert said in empty.run("deploy", *options, "--dry-run", "--rpc", anvil.rpc_url).error


def test_deploy__a_rule_that_the_nodes_can_meet_but_not_trust__warns(empty: CommandLine, anvil: Devnet) -> None:
    chain = ("--dry-run", "--rpc", anvil.rpc_url)
    done = empty.must("deploy", "--merge", "krum:f=1", "--nodes", "4", *chain)
    assert (
        "warning: the merge rule krum:f=1 merges 4 updates, and withstands dishonest ones as it says from 5" in done.err
    )
    assert "merge: krum:f=1, planned for 4 nodes; a round with fewer than 4 updates changes nothing" in done.err
    assert "plan for 5 nodes or more" in done.err
    done = empty.must("deploy", "--merge", "krum:f=1", "--nodes", "5", *chain)
    assert "warning" not in done.err
    assert "merge: krum:f=1, planned for 5 nodes; a round with fewer than 4 updates changes nothing" in done.err


def test_deploy__caps_on_samples_that_nobody_looks_at__warns(empty: CommandLine, anvil: Devnet) -> None:
    chosen = ("--merge", "robust:f=1", "--max-samples", "300", "--nodes", "4")
    done = empty.must("deploy", *chosen, "--dry-run", "--rpc", anvil.rpc_url)
    assert "warning: the merge rule trimmed_mean does not look at samples: caps on them change nothing" in done.err


def test_deploy__no_funds__says_who_needs_ether(world: World) -> None:
    error = world.line.run("deploy", "--name", "poor", "--account", "alice", *world.rpc).error
    assert "send it some ether" in error


def test_deploy__weights_hold_nan__are_refused(empty: CommandLine, anvil: Devnet) -> None:
    made = make_genesis(load_task("digits"), merge_settings(parse_rule("mean")))
    spoilt = {name: array * np.float32("nan") for name, array in weights.decode(made.weights).items()}
    weights.save(spoilt, empty.folder / "nan.safetensors")
    error = empty.run("deploy", "--init", "nan.safetensors", "--rpc", anvil.rpc_url).error
    assert "hold NaN or infinity" in error


def test_deploy__same_name_other_configuration__shows_the_difference(world: World) -> None:
    error = world.line.run("deploy", "--set", "epochs=1", "--name", "swarm", "--min-updates", "3", *world.rpc).error
    assert "min_updates is 2, not 3" in error


def test_deploy__rpc_and_network__is_wrong_usage(empty: CommandLine) -> None:
    done = empty.run("deploy", "--rpc", "http://127.0.0.1:1", "--network", "devnet")
    assert (done.status, done.err.startswith("error: ")) == (2, True)


# -------------------------------------------------------------------------------------------------- accounts and agents


def test_account__wrong_password__says_so_and_shows_no_key(world: World) -> None:
    (world.line.folder / "wrong").write_text("not it\n")
    error = world.line.run("round", "open", "--account", "alice", "--password-file", "wrong", *world.at).error
    assert "the password is wrong" in error
    assert PASSWORD not in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("account", "new", "alice", "--light"), "there is a keystore"),
        (("account", "new", "dev3", "--light"), "reads as another account"),
        (("account", "new", "../x", "--light"), "cannot be an account's name"),
        (("account", "new", "x", "--light", "--password-file", "nowhere"), "nowhere"),
        (("account", "import", "x", "--key-file", "nowhere"), "nowhere"),
        (("account", "import", "x", "--keystore", "nowhere"), "nowhere"),
    ],
)
def test_account__nonsense__says_what_is_wrong(world: World, arguments: tuple[str, ...], said: str) -> None:
    assert said in world.line.run(*arguments).error


def test_account_import__not_a_key__does_not_repeat_it(empty: CommandLine) -> None:
    almost = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b7869"
    error = empty.run("account", "import", "x", "--key-file", "-", stdin=almost).error
    assert "not a private key" in error
    assert almost not in error


def test_agent_run__no_such_node__names_those_there_are(empty: CommandLine) -> None:
    assert "swarm-chain join CODE" in empty.run("agent", "run").error
    assert "no node alice" in empty.run("agent", "run", "alice").error


def test_agent_run__configuration_is_damaged__names_file_and_key(empty: CommandLine) -> None:
    (empty.folder / "node.toml").write_text("[chain]\nid = 'one'\n")
    error = empty.run("agent", "run", "--config", "node.toml").error
    assert "node.toml: chain.id must be a whole number" in error


def _store(world: World) -> str:
    return f"local:{world.line.home}/store"


def _task_cid(world: World) -> Cid:
    row = next(row for row in world.deployed.out.splitlines() if row.startswith("task"))
    return document_cid(Digest(bytes.fromhex(row.split()[1][2:])))
