"""A swarm's bytes on a real IPFS node: pinned so that they stay, streamed, and let go of when that was asked for."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from swarm_chain.adapters import kubo_store
from swarm_chain.adapters.composite_store import CompositeStore
from swarm_chain.adapters.kubo.cids import cid_in
from swarm_chain.adapters.kubo.pins import Pins
from swarm_chain.adapters.kubo.rpc import Rpc
from swarm_chain.adapters.kubo_store import KuboStore
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.agent.pruning import Pruning
from swarm_chain.config import StoreSettings
from swarm_chain.core import dagcbor
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.documents import Excluded, MergeSettings, Reason, ResultDocument, genesis
from swarm_chain.core.publication import Publication
from swarm_chain.core.unixfs import CHUNK, File, import_bytes, import_file, read
from swarm_chain.errors import BlockNotFound, StoreUnavailable
from swarm_chain.types import Address, RoundNumber
from tests.histories import task_document
from tests.ipfs import Daemon, find_ipfs, running
from tests.swarm import Swarm
from tests.unit.test_retention import keeper_of, result_of, weights_of

MIB = 1024 * 1024


@pytest.fixture
def store(ipfs: Daemon, monkeypatch: pytest.MonkeyPatch) -> KuboStore:
    # How long to wait for what nobody has, and for what a busy node has.
    monkeypatch.setattr(kubo_store, "_PINNING", 3.0)
    return KuboStore(StoreSettings(address=ipfs.api, timeout=1))


def pins(ipfs: Daemon) -> Pins:
    return Pins(Rpc("the node", StoreSettings(address=ipfs.api)))


def publication(size: int = 100, **links: Cid) -> Publication:
    weights = os.urandom(size)
    return Publication(document=dagcbor.encode({"weights": import_bytes(weights).cid, **links}), files=(weights,))


def weights_in(made: Publication) -> Cid:
    (data,) = made.files
    assert isinstance(data, bytes)
    return import_bytes(data).cid


# ------------------------------------------------------------------------------------------------------------- pinning


def test_publish__a_line_of_documents__each_is_pinned_with_all_below_it(store: KuboStore, ipfs: Daemon) -> None:
    update = publication(CHUNK + 1)
    result = publication(CHUNK + 1, update=update.root)
    store.publish(update)
    store.publish(result)
    assert {update.root, result.root} <= pins(ipfs).listed("recursive")
    kept = {update.root, result.root, weights_in(update), weights_in(result)}
    assert store.pinned(kept) == kept


def test_publish__history_cannot_be_had__the_document_is_pinned_by_itself_and_its_weights_whole(
    store: KuboStore, ipfs: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    merged = publication(CHUNK + 1)
    store.publish(merged)
    nobody_has = cid_of(os.urandom(9), Codec.DAG_CBOR)
    late = publication(CHUNK + 1, base=nobody_has, update=merged.root)

    store.publish(Publication(document=late.document, files=late.files, merged=(merged,)))

    assert "pinned without what earlier rounds left" in caplog.text
    assert late.root in pins(ipfs).listed("direct")
    assert {weights_in(late), weights_in(merged)} <= pins(ipfs).listed("recursive")
    assert store.pinned({late.root, weights_in(late), nobody_has}) == {late.root, weights_in(late)}


def test_publish__once_history_could_not_be_had__nobody_waits_for_it_again(
    store: KuboStore, ipfs: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    nobody_has = cid_of(os.urandom(9), Codec.DAG_CBOR)
    store.publish(publication(base=nobody_has))
    merged = publication()
    late = publication(base=nobody_has, update=merged.root)
    store.publish(Publication(document=late.document, files=late.files, merged=(merged,)))
    assert caplog.text.count("pinned without what earlier rounds left") == 1
    # What was merged is on no node yet: it was sent there.
    assert {late.root, merged.root} <= pins(ipfs).listed("direct")
    assert {weights_in(late), weights_in(merged)} <= pins(ipfs).listed("recursive")


def test_publish__a_file_that_no_link_leads_to__is_pinned_too(store: KuboStore, ipfs: Daemon) -> None:
    frozen = os.urandom(CHUNK + 3)
    made = Publication(document=dagcbor.encode({"frozen": str(import_bytes(frozen).cid)}), files=(frozen,))
    store.publish(made)
    assert {made.root, import_bytes(frozen).cid} <= pins(ipfs).listed("recursive")


@pytest.mark.parametrize("by_themselves", [False, True], ids=["pinned with all below", "pinned by themselves"])
def test_publish__frozen_tensors_came_before_the_task_that_names_them__are_pinned_with_it(
    store: KuboStore, ipfs: Daemon, by_themselves: bool
) -> None:
    frozen = os.urandom(50)
    file = cid_of(frozen, Codec.RAW)
    store.put(file, frozen)
    task = replace(task_document(), training={"frozen_weights": str(file)})
    store._pins_all = not by_themselves
    store.publish(Publication(document=task.encode()))
    assert store.pinned({task.cid(), file}) == {task.cid(), file}
    assert file in pins(ipfs).listed("recursive")


def result_after(base: ResultDocument, reason: Reason, update: Cid) -> tuple[ResultDocument, bytes]:
    """A result that leaves an update out, and its weights."""
    weights = os.urandom(CHUNK + 1)
    left_out = Excluded(node=Address(bytes(20)), update=update, reason=reason)
    file = import_bytes(weights)
    changes = {"chain": 1, "contract": Address(bytes(20)), "round": RoundNumber(base.round + 1), "base": base.cid()}
    return replace(base, **changes, weights=file.cid, bytes=file.size, excluded=(left_out,)), weights


@pytest.mark.parametrize("reason", [Reason.WRONG_SAMPLES, Reason.DUPLICATE])
def test_publish__a_result_left_out_an_update__is_pinned_with_what_that_links_to_if_somebody_judged_it(
    store: KuboStore, ipfs: Daemon, reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = os.urandom(50)
    base = genesis(task_document(), weights=cid_of(first, Codec.RAW), size=50)
    store.publish(Publication(document=task_document().encode()))
    store.publish(Publication(document=base.encode(), files=(first,)))
    anything = os.urandom(60)
    update = dagcbor.encode({"weights": cid_of(anything, Codec.RAW)})
    for data, codec in ((anything, Codec.RAW), (update, Codec.DAG_CBOR)):
        store.put(cid_of(data, codec), data)

    result, weights = result_after(base, reason, cid_of(update, Codec.DAG_CBOR))
    store.publish(Publication(document=result.encode(), files=(weights,)))
    later, others = result_after(result, Reason.DUPLICATE, cid_of(update, Codec.DAG_CBOR))
    # As after a restart: that it was so before is found out again.
    KuboStore(StoreSettings(address=ipfs.api, timeout=1)).publish(Publication(document=later.encode(), files=(others,)))

    ours = {result.cid(), result.weights, later.cid(), later.weights}
    was_judged = reason is Reason.DUPLICATE
    assert store.pinned(ours | {cid_of(anything, Codec.RAW)}) == ours | (
        {cid_of(anything, Codec.RAW)} if was_judged else set()
    )
    assert {result.cid(), later.cid()} <= pins(ipfs).listed("recursive" if was_judged else "direct")
    assert ("may link to anything" in caplog.text) is not was_judged


def test_put__a_dag_cbor_document__has_the_name_that_the_node_gives_it(store: KuboStore, ipfs: Daemon) -> None:
    made = publication()
    store.put(made.root, made.document)
    said = ipfs.call(f"block/stat?arg={made.root}&offline=true")
    assert cid_in(said["Key"]) == made.root
    assert said["Size"] == len(made.document)


class OnNode(Swarm):
    """A swarm whose bytes are on an IPFS node and nowhere else; its agents keep the weights of the last round."""

    def __init__(self, folder: Path, ipfs: Daemon, *, keep: int | None) -> None:
        self.ipfs, self.keep = ipfs, keep
        super().__init__(folder, nodes=3, merge=MergeSettings(rule="mean"))

    def _shared(self) -> KuboStore:
        return KuboStore(StoreSettings(address=self.ipfs.api, timeout=1))

    def pruning(self, account: Address) -> Pruning | None:
        if self.keep is None:
            return None
        return Pruning(chain=self.chain, store=self.shared, keep=self.keep, account=account)


@pytest.mark.parametrize("keep", [None, 1])
def test_agents__their_store_is_a_node__documents_and_what_was_merged_stay_pinned(
    ipfs: Daemon, tmp_path: Path, keep: int | None
) -> None:
    swarm = OnNode(tmp_path, ipfs, keep=keep)
    swarm.run(rounds=4)
    for node in swarm.nodes:
        node.agent.step()
    results = [result_of(swarm, number) for number in range(5)]
    documents = {result.cid() for result in results} | {one.update for each in results for one in each.included}
    assert len(documents) == 5 + 4 * 3
    recent = {results[3].weights, results[4].weights} | weights_of(swarm, 4)
    old = {results[1].weights, results[2].weights} | weights_of(swarm, 2) | weights_of(swarm, 3)
    assert swarm.shared.pinned(documents | recent) == documents | recent
    assert swarm.shared.pinned(old) == (old if keep is None else frozenset())


# ------------------------------------------------------------------------------------------------------------- pruning


def on_node(store: KuboStore, swarm: Swarm) -> None:
    """Publishes all that a swarm has, as its agents would have."""
    for number in range(6):
        result = result_of(swarm, number)
        for one in result.included:
            _publish(store, swarm, one.update)
        _publish(store, swarm, result.cid())


def _publish(store: KuboStore, swarm: Swarm, cid: Cid) -> None:
    from swarm_chain.core.documents import ResultDocument, UpdateDocument, decode

    data = swarm.shared.get(cid)
    document = decode(data)
    assert isinstance(document, ResultDocument | UpdateDocument)
    weights = b"".join(read(swarm.shared.get, File(cid=document.weights, size=document.bytes)))
    store.publish(Publication(document=data, files=(weights,)))


@pytest.mark.parametrize("by_themselves", [False, True], ids=["pinned with all below", "pinned by themselves"])
def test_prune__a_swarm_after_five_rounds__keeps_documents_and_the_last_rounds_pinned(
    store: KuboStore, tmp_path: Path, by_themselves: bool
) -> None:
    # Weights that differ from those of the other swarm of this test: one node has both.
    swarm = Swarm(tmp_path, nodes=3 if by_themselves else 4)
    swarm.run(rounds=5)
    store.put(swarm.task.cid(), swarm.task.encode())
    store._pins_all = not by_themselves
    on_node(store, swarm)
    mine = publication()
    store.publish(mine)
    retention = keeper_of(swarm, 2).due()
    assert retention is not None
    documents = {result_of(swarm, number).cid() for number in range(6)}
    updates = {one.update for number in range(6) for one in result_of(swarm, number).included}
    before = store.pinned(documents | updates | retention.files)
    assert before == documents | updates | retention.files

    store.prune(retention)

    assert store.pinned(documents | updates) == documents | updates
    assert not store.pinned(retention.files)
    needed = {result_of(swarm, number).weights for number in (3, 4, 5)} | weights_of(swarm, 4) | weights_of(swarm, 5)
    assert store.pinned(needed) == needed
    assert store.pinned({mine.root, weights_in(mine)}) == {mine.root, weights_in(mine)}


def test_prune__a_peers_update_names_what_the_operator_pinned__it_stays_pinned(store: KuboStore, ipfs: Daemon) -> None:
    from swarm_chain.core.retention import Retention
    from swarm_chain.types import RoundNumber

    cat = os.urandom(100)
    ipfs_pins = pins(ipfs)
    store.put(cid_of(cat, Codec.RAW), cat)
    ipfs_pins.add(cid_of(cat, Codec.RAW), "recursive", seconds=5)
    lie = dagcbor.encode({"weights": cid_of(cat, Codec.RAW)})
    old = frozenset({cid_of(lie, Codec.DAG_CBOR)})
    files = frozenset({cid_of(cat, Codec.RAW)})
    store.prune(
        Retention(
            base=RoundNumber(1),
            files=files,
            judged=frozenset(),
            old=old,
            documents=old,
            kept=frozenset(),
            lost=(RoundNumber(1),),
        )
    )
    assert files <= ipfs_pins.listed("recursive")


@pytest.mark.deep
def test_prune__the_node_collects_its_rubbish__what_must_stay_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_ipfs() is None:
        pytest.skip("no ipfs")
    with running(tmp_path / "node") as daemon:
        store = KuboStore(StoreSettings(address=daemon.api, timeout=1))
        swarm = Swarm(tmp_path / "swarm", nodes=4)
        swarm.run(rounds=5)
        store.put(swarm.task.cid(), swarm.task.encode())
        on_node(store, swarm)
        retention = keeper_of(swarm, 2).due()
        assert retention is not None
        store.prune(retention)
        daemon.call("repo/gc?quiet=true")
        assert all(store.has(cid) for cid in retention.kept | (retention.documents - {swarm.task.cid()}))
        assert not any(store.has(cid) for cid in retention.files)


# ----------------------------------------------------------------------------------------------------------- composed


def test_composite__a_folder_and_a_node__both_have_it_and_either_gives_it(store: KuboStore, tmp_path: Path) -> None:
    folder = LocalStore(tmp_path / "blocks")
    both = CompositeStore([folder, store])
    made = publication(CHUNK + 1)
    both.publish(made)
    assert folder.has(made.root)
    assert store.has(made.root)
    only_there = publication()
    store.publish(only_there)
    assert both.get(only_there.root) == only_there.document
    with pytest.raises(BlockNotFound):
        both.get(cid_of(os.urandom(5), Codec.RAW))


def test_composite__the_node_is_away__says_so_when_written_to_and_reads_from_the_folder(tmp_path: Path) -> None:
    folder = LocalStore(tmp_path / "blocks")
    both = CompositeStore([KuboStore(StoreSettings(address="/ip4/127.0.0.1/tcp/9")), folder])
    made = publication()
    with pytest.raises(StoreUnavailable, match="cannot be reached: Connection refused"):
        both.publish(made)
    folder.publish(made)
    assert both.get(made.root) == made.document


# -------------------------------------------------------------------------------------------------------------- memory

STREAMING = """
import resource, sys
from pathlib import Path
from swarm_chain.adapters.stores import open_store
from swarm_chain.core import dagcbor
from swarm_chain.core.publication import Publication
from swarm_chain.core.unixfs import import_file, save

def peak():
    # Kilobytes. What `getrusage` says begins, on Linux, with what the process had that started this one.
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])

source, target = Path(sys.argv[2]), Path(sys.argv[3])
store = open_store(sys.argv[1])
file = import_file(source)
document = dagcbor.encode({"weights": file.cid})
store.publish(Publication(document=dagcbor.encode({}), files=()))
for block in range(9):
    store.get(Publication(document=dagcbor.encode({})).root)
before = peak()
store.publish(Publication(document=document, files=(source,)))
published = peak()
save(store.get, file, target, sync=False)
fetched = peak()
print(before, published, fetched)
"""


def test_publish_and_save__a_model_of_64_mib__is_never_whole_in_memory(ipfs: Daemon, tmp_path: Path) -> None:
    source, target = tmp_path / "model", tmp_path / "fetched"
    with source.open("wb") as stream:
        for _ in range(64):
            stream.write(os.urandom(MIB))
    node_before = _rss(ipfs)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(STREAMING), f"kubo:{ipfs.api}", str(source), str(target)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    before, published, fetched = (float(word) * 1024 for word in done.stdout.split())
    assert import_file(target) == import_file(source)
    assert published - before < 8 * MIB
    assert fetched - before < 32 * MIB
    assert _rss(ipfs) - node_before < 300 * MIB  # js-ipfs' own: what its collector has not looked at yet


def _rss(ipfs: Daemon) -> int:
    status = Path(f"/proc/{ipfs.process.pid}/status")
    if not status.exists():
        return 0
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024
