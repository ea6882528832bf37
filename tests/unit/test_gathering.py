"""Updates are fetched several at once and in time: what one node holds back costs that node, not the round."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from swarm_chain.agent import convergence
from swarm_chain.agent.gathering import AT_ONCE, EACH, FETCHED, Get, Time, gather
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.documents import Reason
from swarm_chain.core.judge import Reveal
from swarm_chain.core.rounds import FIRST_WORD
from swarm_chain.errors import BlockNotFound, MalformedFile
from swarm_chain.ports import MAX_BLOCK
from swarm_chain.types import Address, Digest, Phase, Samples
from tests.swarm import PartialStore, Swarm

SOON = Time(all=5.0, each=5.0)


def reveal(number: int) -> Reveal:
    return Reveal(
        node=Address(number.to_bytes(20)), digest=Digest(number.to_bytes(32)), samples=Samples(1), order=number
    )


def block(cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
    return b"a block"


CID = cid_of(b"a block", Codec.RAW)


def test_gather__nobody__is_nobody() -> None:
    assert gather([], block, lambda one, get: None, SOON) == {}


def test_gather__some_cannot_be_had__names_them_and_why() -> None:
    def fetch(one: Reveal, get: Get) -> None:
        if one.order == 2:
            raise BlockNotFound("nobody has it")

    assert gather([reveal(1), reveal(2), reveal(3)], block, fetch, SOON) == {reveal(2).node: "nobody has it"}


def test_gather__many__are_fetched_at_the_same_time() -> None:
    together = threading.Barrier(AT_ONCE, timeout=60)
    assert gather([reveal(number) for number in range(AT_ONCE)], block, lambda one, get: wait(together), SOON) == {}


def wait(together: threading.Barrier) -> None:
    together.wait()


def test_gather__one_without_end__ends_when_its_time_is_over_and_others_do_not_wait() -> None:
    fetched: list[int] = []

    def fetch(one: Reveal, get: Get) -> None:
        while one.order == 1:
            get(CID)
            time.sleep(0.01)
        fetched.append(one.order)

    began = time.monotonic()
    failed = gather([reveal(number) for number in range(20)], block, fetch, Time(all=60.0, each=0.3))
    assert 0.3 <= time.monotonic() - began < 10
    assert set(failed) == {reveal(1).node}
    assert "did not come in time" in failed[reveal(1).node]
    assert len(fetched) == 19


def test_gather__more_without_end_than_places__ends_in_the_time_for_all() -> None:
    def fetch(one: Reveal, get: Get) -> None:
        while True:
            get(CID)
            time.sleep(0.01)

    began = time.monotonic()
    failed = gather([reveal(number) for number in range(40 * AT_ONCE)], block, fetch, Time(all=0.5, each=0.4))
    assert time.monotonic() - began < 40 * 0.4 / 2
    assert len(failed) == 40 * AT_ONCE


def test_gather__an_error_that_is_no_stores__is_raised() -> None:
    def fetch(one: Reveal, get: Get) -> None:
        raise MalformedFile("no file")

    with pytest.raises(MalformedFile):
        gather([reveal(1)], block, fetch, SOON)


def test_time__of_a_round__leaves_this_node_its_first_word(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.MERGING)
    view = swarm.chain.look()
    window = view.round.deadline - view.round.phase_started_at
    at_first = Time.of(view)
    assert at_first.all <= window * FETCHED
    assert at_first.each == window * EACH
    swarm.chain.advance(window // 2)
    assert Time.of(swarm.chain.look()).all == window * EACH
    # A block that is asked for at the last moment takes its own time, at most a fifteenth of the window.
    assert FETCHED + 1 / 15 < FIRST_WORD


class SlowStore(PartialStore):
    """A store that takes long over some blocks, and then does not give them."""

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        if cid in self.hidden:
            time.sleep(0.01)
        return super().get(cid, max_bytes=max_bytes)


def test_round__updates_of_two_nodes_are_slow_and_cannot_be_had__costs_these_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[list[Address]] = []

    def noted(reveals: list[Reveal], *rest: object) -> object:
        tried.append([one.node for one in reveals])
        return gather(reveals, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(convergence, "gather", noted)
    swarm = Swarm(tmp_path, nodes=5)
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.REVEALING)
    swarm.run_until(lambda: swarm.chain.look().round.reveals == 5)
    lost = [swarm.nodes[0].account, swarm.nodes[3].account]
    for node in swarm.nodes:
        slow = SlowStore(swarm.shared)
        slow.hidden = {cid for other in (swarm.nodes[0], swarm.nodes[3]) for cid in other.store.written}
        replace_store(node.agent, slow)
    swarm.run(rounds=1)
    document = swarm.head()
    assert [(one.node, one.reason) for one in document.excluded] == [(node, Reason.UNAVAILABLE) for node in lost]
    assert len(document.included) == 3
    # What was tried in vain is tried again, and alone.
    assert any(set(nodes) == set(lost) for nodes in tried)


def replace_store(agent: object, store: PartialStore) -> None:
    """Lets a running agent read from another store."""
    agent._convergence._store = store  # type: ignore[attr-defined]
    agent._convergence._spool._get = store.get  # type: ignore[attr-defined]
    agent._convergence._spool._documents.clear()  # type: ignore[attr-defined]
