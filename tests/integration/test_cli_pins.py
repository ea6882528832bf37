"""`swarm-chain pins`: what stores keep of a swarm on a real chain, and what is left when old weights are let go of."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.adapters.kubo_store import KuboStore
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.config import NodeConfig, StoreSettings, save_node_config
from swarm_chain.core.cids import Cid, document_cid
from swarm_chain.core.documents import ResultDocument, UpdateDocument, decode
from swarm_chain.core.publication import Publication
from swarm_chain.core.unixfs import File, read
from swarm_chain.devnet import Devnet
from swarm_chain.schemas import load_schema
from swarm_chain.types import BlockNumber
from tests.chains import DevnetWorld
from tests.command_line import CommandLine
from tests.histories import Script
from tests.ipfs import Daemon

ROUNDS = 5


@pytest.fixture(scope="module")
def script(anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Script:
    """A swarm of three after five rounds; in round 2 one is left out, as nobody could have its update."""
    folder = tmp_path_factory.mktemp("pins") / "blocks"
    made = Script(lambda config: DevnetWorld(anvil, config), store=LocalStore(folder))
    for number in range(1, ROUNDS + 1):
        made.round(withheld=[3] if number == 2 else [], unpublished=[3] if number == 2 else [])
    return made


@pytest.fixture
def folder(script: Script, tmp_path: Path) -> str:
    """A store of one's own with all that the swarm left."""
    shutil.copytree(script.store.name.removeprefix("local:"), tmp_path / "blocks")
    time.sleep(0.15)  # what came this very moment is spared
    return f"local:{tmp_path}/blocks"


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)


def arguments(script: Script, anvil: Devnet, *stores: str) -> tuple[str, ...]:
    contract = "0x" + script.world.chain(None).coordinator.hex()
    return (contract, "--rpc", anvil.rpc_url, *(part for store in stores for part in ("--store", store)))


def rows(out: str, store: str) -> dict[str, list[str]]:
    """The lines about a store's rounds, by the round."""
    about = out.split(f"\n{store}\n")[1].split("\n\nlocal:")[0].split("\n\nkubo:")[0]
    lines = [text.split("  ") for text in about.splitlines() if text.strip()[:1].isdigit()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    return {line[0]: line[1:] for line in cells}


def test_pins__nothing_was_let_go_of__all_is_there_and_every_round_can_be_reexecuted(
    script: Script, anvil: Devnet, line: CommandLine, folder: str
) -> None:
    out = line.must("pins", *arguments(script, anvil, folder)).out
    found = rows(out, folder)
    assert found["0 (start)"] == ["2 of 2", "1 of 1"]
    assert found["1"] == ["4 of 4", "4 of 4", "yes"]
    assert found["2"] == ["3 of 4", "3 of 3", "yes"]  # nobody has the document that is missing
    assert "rounds that can be re-executed from what is kept here: 1 to 5" in out
    assert "no longer" not in out


def test_prune__the_last_two_rounds_are_kept__an_audit_says_which_rounds_it_cannot_reexecute(
    script: Script, anvil: Devnet, line: CommandLine, folder: str
) -> None:
    where = arguments(script, anvil, folder)
    out = line.must("pins", *where, "--prune", "--keep-weights", "2").out
    found = rows(out, folder)
    assert f"{folder}: let go of 11 files of weights" in out
    assert found["0 (start)"] == ["2 of 2", "0 of 1"]
    assert found["1"] == ["4 of 4", "0 of 4", "no"]
    assert found["3"] == ["4 of 4", "1 of 4", "no"]  # the result that round 4 starts from
    assert found["5"] == ["4 of 4", "4 of 4", "yes"]
    assert "can be re-executed from what is kept here: 4 to 5" in out
    assert "can no longer be re-executed from what is kept here: 1 to 3" in out

    audited = line.run("audit", *where)
    verdicts = [words[:2] for text in audited.out.splitlines() if (words := text.split()) and words[0].isdigit()]
    assert audited.status == 3
    assert verdicts == [[str(number), "INCOMPLETE" if number < 4 else "PASS"] for number in range(6)]

    again = line.must("pins", *where, "--prune", "--keep-weights", "2").out
    assert "there was nothing to let go of" in again


def test_prune__more_rounds_than_there_are__lets_go_of_nothing(
    script: Script, anvil: Devnet, line: CommandLine, folder: str
) -> None:
    out = line.must("pins", *arguments(script, anvil, folder), "--prune", "--keep-weights", "5").out
    assert "there are no weights that the last 5 rounds do not need" in out
    assert "can be re-executed from what is kept here: 1 to 5" in out


def test_pins__for_programs__says_the_same_by_its_schema_and_nothing_else_on_stdout(
    script: Script, anvil: Devnet, line: CommandLine, folder: str
) -> None:
    where = arguments(script, anvil, folder)
    kept = _document(line.must("pins", *where, "--json", "-").out)
    assert (kept["reexecutable"], kept["not_reexecutable"]) == ([1, 2, 3, 4, 5], [])
    (store,) = kept["stores"]
    assert (store["store"], store["let_go"]) == (folder, None)

    done = line.must("pins", *where, "--prune", "--keep-weights", "2", "--json", "-")
    assert "let go of 11 files" in done.err
    pruned = _document(done.out)
    assert (pruned["reexecutable"], pruned["not_reexecutable"]) == ([4, 5], [1, 2, 3])
    (store,) = pruned["stores"]
    assert store["let_go"] == 11
    assert [one["reexecutable"] for one in store["rounds"]] == [None, False, False, False, True, True]
    assert store["rounds"][1]["weights"] == {"kept": 0, "of": 4}

    written = line.folder / "pins.json"
    assert "enough to re-execute" in line.must("pins", *where, "--json", str(written)).out
    assert _document(written.read_text())["reexecutable"] == [4, 5]


def _document(text: str) -> dict[str, Any]:
    """What `--json` wrote, which is as its schema says."""
    found: dict[str, Any] = json.loads(text)
    Draft202012Validator(load_schema("pins")).validate(found)
    return found


def test_prune__of_gateways_only__is_refused(script: Script, anvil: Devnet, line: CommandLine) -> None:
    where = arguments(script, anvil, "gateway:http://127.0.0.1:9")
    assert "none of these stores is yours to prune" in line.run("pins", *where, "--prune", "--keep-weights", "2").error


@pytest.mark.parametrize("options", [["--prune"], ["--keep-weights", "2"]])
def test_prune__without_saying_both__is_a_usage_error(
    script: Script, anvil: Devnet, line: CommandLine, folder: str, options: list[str]
) -> None:
    done = line.run("pins", *arguments(script, anvil, folder), *options)
    assert done.status == 2
    assert "go together" in done.err


def test_pins__a_node_of_this_machine__its_configuration_says_where(
    script: Script, anvil: Devnet, line: CommandLine, folder: str
) -> None:
    chain = script.world.chain(None)
    config = NodeConfig(
        chain_id=chain.chain_id,
        rpc_urls=(anvil.rpc_url,),
        contract=chain.coordinator,
        deployment_block=BlockNumber(0),
        confirmations=0,
        account=script.address(3),
        keystore=line.folder / "anna.json",
        password_file=None,
        label="anna",
        task="tiny",
        accepted_task=None,
        data="tiny",
        min_new_samples=0,
        journal=line.folder / "journal.sqlite",
        stores=(folder,),
    )
    save_node_config(config, line.home / "nodes" / "anna" / "node.toml")
    out = line.must("pins", "--node", "anna").out
    assert rows(out, folder)["5"] == ["4 of 4", "4 of 4", "yes"]
    assert "let go of" in line.must("pins", "--node", "anna", "--prune", "--keep-weights", "0").out
    assert "not both" in line.run("pins", "swarm", "--node", "anna").error


def test_pins__a_folder_and_a_node__each_is_listed_and_both_are_pruned(
    script: Script, anvil: Devnet, line: CommandLine, folder: str, ipfs: Daemon
) -> None:
    node = KuboStore(StoreSettings(address=ipfs.api, timeout=1))
    for cid in _documents(script):
        _publish(node, script, cid)
    where = arguments(script, anvil, folder, node.name)
    before = line.must("pins", *where).out
    assert rows(before, node.name)["5"] == ["4 of 4", "4 of 4", "yes"]

    after = line.must("pins", *where, "--prune", "--keep-weights", "1").out

    assert f"{node.name}: let go of" in after
    assert "collects rubbish" in after
    # The node still has what it let go of, as nobody told it to collect its rubbish: it is not kept all the same.
    assert all(node.has(cid) for cid in weights_of_the_first_round(script))
    for store in (folder, node.name):
        found = rows(after, store)
        assert [found[str(number)][-1] for number in range(1, 6)] == ["no"] * 4 + ["yes"]
        assert found["5"] == ["4 of 4", "4 of 4", "yes"]
        assert found["1"][0] == "4 of 4"


def weights_of_the_first_round(script: Script) -> set[Cid]:
    """The weights of the first round's updates and of its result."""
    first = script.result(script.results[0])
    documents = [decode(script.store.get(one.update)) for one in first.included]
    return {one.weights for one in (first, *documents) if isinstance(one, ResultDocument | UpdateDocument)}


def _documents(script: Script) -> list[Cid]:
    """Updates and results in the order in which they came."""
    found: list[Cid] = [document_cid(script.genesis)]
    for result in script.results:
        document = script.result(result)
        found += [*(one.update for one in document.included), document_cid(result)]
    return found


def _publish(node: KuboStore, script: Script, cid: Cid) -> None:
    data = script.store.get(cid)
    document = decode(data)
    assert isinstance(document, ResultDocument | UpdateDocument)
    weights = b"".join(read(script.store.get, File(cid=document.weights, size=document.bytes)))
    node._pins_all = False
    node.publish(Publication(document=data, files=(weights,)))
