"""An agent says on the chain where its node's blocks are: once, in time, and again when that changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from swarm_chain.adapters.memory import MemoryChain
from swarm_chain.agent.activity import Health
from swarm_chain.agent.announcing import REST
from swarm_chain.errors import StoresTooLong
from swarm_chain.ports import OnSigned
from swarm_chain.types import AddNode, Address, Announce, Call, NodeAnnounced, Phase, Receipt, RemoveNode
from tests.swarm import ADMIN, Node, Swarm

HERE, THERE = b"http://192.0.2.7:4801", b"http://192.0.2.8:4801"


class Announcers(Swarm):
    """A swarm whose nodes announce what a test says, by their number; from the start `HERE`."""

    def __init__(self, folder: Path, *, nodes: int = 4) -> None:
        self.says: dict[Address, bytes] = {}
        super().__init__(folder, nodes=nodes)

    def stores(self, account: Address) -> Callable[[], bytes]:
        return lambda: self.says.get(account, HERE)

    def announced(self, node: Node) -> list[bytes]:
        """Everything that a node announced."""
        events = self.chain.events(kinds=(NodeAnnounced,))
        return [event.stores for event in events if isinstance(event, NodeAnnounced) and event.node == node.account]

    def turn(self, seconds: int = 1) -> None:
        self.chain.advance(seconds)
        for node in self.nodes:
            node.agent.step()


def test_announce__first_step__comes_before_the_first_round(tmp_path: Path) -> None:
    swarm = Announcers(tmp_path)
    swarm.turn()
    assert [swarm.announced(node) for node in swarm.nodes] == [[HERE]] * 4
    swarm.run(rounds=3)
    assert [swarm.announced(node) for node in swarm.nodes] == [[HERE]] * 4


def test_announce__started_again__is_not_said_twice(tmp_path: Path) -> None:
    swarm = Announcers(tmp_path)
    swarm.run(rounds=1)
    for node in list(swarm.nodes):
        swarm.restart(node)
    swarm.run(rounds=2)
    assert [swarm.announced(node) for node in swarm.nodes] == [[HERE]] * 4


def test_announce__nothing_is_served__nothing_is_sent(tmp_path: Path) -> None:
    swarm = Announcers(tmp_path)
    swarm.says = {node.account: b"" for node in swarm.nodes}
    swarm.run(rounds=1)
    assert [swarm.announced(node) for node in swarm.nodes] == [[]] * 4


def test_announce__address_changed__is_said_again_but_not_at_once(tmp_path: Path) -> None:
    swarm = Announcers(tmp_path)
    swarm.turn()
    node = swarm.nodes[0]
    swarm.says[node.account] = THERE
    swarm.turn(int(REST) - 10)
    assert swarm.announced(node) == [HERE]
    swarm.turn(20)
    assert swarm.announced(node) == [HERE, THERE]


def test_announce__serves_no_more__leaves_what_was_said(tmp_path: Path) -> None:
    swarm = Announcers(tmp_path)
    swarm.run(rounds=1)
    node = swarm.nodes[0]
    swarm.says[node.account] = b""
    swarm.restart(node)
    swarm.run(rounds=2)
    assert swarm.announced(node) == [HERE]


def test_announce__removed_and_added_again__is_said_again(tmp_path: Path) -> None:
    swarm = Announcers(tmp_path)
    swarm.run(rounds=1)
    node, admin = swarm.nodes[0], swarm.chain.as_account(ADMIN)
    admin.send(RemoveNode(node=node.account))
    restarted = swarm.restart(node)
    restarted.agent.step()
    assert swarm.announced(node) == [HERE]
    admin.send(AddNode(node=node.account, label="again"))
    swarm.run(rounds=2)
    assert swarm.announced(node) == [HERE, HERE]


def test_announce__a_phase_waits_for_the_node__comes_after_it(tmp_path: Path) -> None:
    swarm = Announcers(tmp_path)
    node = swarm.nodes[0]
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.REVEALING)
    swarm.says[node.account] = THERE
    sent = noted(swarm.restart(node).chain)
    for _ in range(3):
        swarm.nodes[0].agent.step()
    assert [call.function for call in sent] == ["revealUpdate", "announce"]


def test_announce__is_refused__costs_no_round(tmp_path: Path) -> None:
    swarm = Announcers(tmp_path)
    node = swarm.nodes[0]
    refuse_announcements(node.chain)
    swarm.run(rounds=2)
    assert swarm.announced(node) == []
    assert len(swarm.head().included) == 4
    assert all(activity.health is Health.GOOD for activity in node.activities)


def test_announce__killed_while_sending__is_settled_and_not_sent_twice(tmp_path: Path) -> None:
    swarm = Announcers(tmp_path)
    node = swarm.nodes[0]
    send = node.chain.send

    def killed(call: Call, *, on_signed: OnSigned | None = None) -> Receipt:
        send(call, on_signed=on_signed)
        raise KeyboardInterrupt

    node.chain.send = killed  # type: ignore[method-assign]
    try:
        node.agent.step()
    except KeyboardInterrupt:
        swarm.restart(node)
    swarm.run(rounds=1)
    assert swarm.announced(node) == [HERE]


def noted(chain: MemoryChain) -> list[Call]:
    """What is sent from now on."""
    sent: list[Call] = []
    send = chain.send

    def note(call: Call, *, on_signed: OnSigned | None = None) -> Receipt:
        sent.append(call)
        return send(call, on_signed=on_signed)

    chain.send = note  # type: ignore[method-assign]
    return sent


def refuse_announcements(chain: MemoryChain) -> None:
    send = chain.send

    def refuse(call: Call, *, on_signed: OnSigned | None = None) -> Receipt:
        if isinstance(call, Announce):
            raise StoresTooLong(length=1, limit=0)
        return send(call, on_signed=on_signed)

    chain.send = refuse  # type: ignore[method-assign]
