"""Swarms whose nodes share no store: each serves its own, and fetches from where the others announced."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import pytest

from swarm_chain import serving
from swarm_chain.adapters.composite_store import CompositeStore
from swarm_chain.adapters.gateway_store import GatewayStore
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.peer_stores import SHARE, PeerStores
from swarm_chain.adapters.stores import open_store
from swarm_chain.core import documents
from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import Reason, ResultDocument
from swarm_chain.ports import UpdateStore
from swarm_chain.types import Address, Announce, Phase, RoundFinalized, Seconds, SwarmConfig
from tests.doors import guarded, make_ca, proxy
from tests.ipfs import Daemon
from tests.swarm import Swarm


class Liar:
    """A server that answers every request in the same bad way."""

    def __init__(self, play: Callable[[socket.socket, str], None]) -> None:
        self._play = play
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=self._listener.accept()[:1], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError, IndexError), connection:
            while request := connection.recv(4096).decode("latin-1"):
                self._play(connection, request.split()[1])

    def close(self) -> None:
        self._listener.close()


def silence(connection: socket.socket, path: str) -> None:
    time.sleep(20)


def a_byte_now_and_then(connection: socket.socket, path: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.1)


def endless_header(connection: socket.socket, path: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-A: b\r\n" * 1000)


def wrong_bytes(connection: socket.socket, path: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")


class ServedSwarm(Swarm):
    """Every node has a store of its own, and knows besides only where the deployer's is served.

    `lies` are what some nodes announce in place of where they serve, by their number.
    """

    def __init__(
        self, folder: Path, stack: ExitStack, *, lies: Mapping[int, str] | None = None, merge_window: int = 30
    ) -> None:
        self.stack, self.lies, self.merge_window = stack, dict(lies or {}), Seconds(merge_window)
        self.stories: dict[Address, bytes] = {}
        self.own: dict[Address, LocalStore] = {}
        self.urls: list[str] = []
        self.deployers = LocalStore(folder / "deployer", sync=False)
        self.deployer = stack.enter_context(serving.start(self.deployers)).url
        super().__init__(folder)

    def _config(self, config: SwarmConfig) -> SwarmConfig:
        return replace(config, merge_window=self.merge_window)

    def run_until(self, is_done: Callable[[], bool], *, steps: int = 1000) -> None:
        """Turns, of which each takes as long on the chain's clock as it took here, and a second more."""
        began = time.monotonic()
        for _ in range(steps):
            for node in self.awake():
                if is_done():
                    return
                node.agent.step()
            self.chain.advance(1 + int(time.monotonic() - began))
            began = time.monotonic()
        raise AssertionError(f"not finished after {steps} turns: {self.chain.look().round}")

    def _shared(self) -> UpdateStore:
        return self.deployers

    def _store(self, account: Address, folder: Path) -> UpdateStore:
        own = self.own.setdefault(account, LocalStore(folder / "store", sync=False))
        url = self.stack.enter_context(serving.start(own)).url
        self.urls = [*self.urls, url]
        self.stories[account] = self.lies.get(len(self.own) - 1, url).encode()
        chain = self.chain.as_account(account)
        peers = PeerStores(chain, allow_private=True, every=0.0)
        return CompositeStore([own, GatewayStore([self.deployer]), peers])

    def stores(self, account: Address) -> Callable[[], bytes]:
        return lambda: self.stories[account]

    def results(self) -> list[ResultDocument]:
        """The results of all rounds, as a stranger reads them who has nothing but what nodes announced."""
        peers = PeerStores(self.chain.as_account(None), allow_private=True, every=0.0)
        finalized = self.chain.events(kinds=(RoundFinalized,))
        digests = [event.result for event in finalized if isinstance(event, RoundFinalized)]
        return [documents.read(peers.get, digest, ResultDocument) for digest in digests]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_rounds__nobody_shares_a_store__everybody_is_included(tmp_path: Path, stack: ExitStack) -> None:
    swarm = ServedSwarm(tmp_path, stack)
    swarm.run(rounds=3)
    assert [len(result.included) for result in swarm.results()] == [4, 4, 4]
    # Whoever merged has everything now: who comes later finds it where it asks.
    links = {link for result in swarm.results() for link in (result.weights, *(one.update for one in result.included))}
    assert sum(all(store.has(link) for link in links) for store in swarm.own.values()) >= 3


@pytest.mark.parametrize("way", [silence, a_byte_now_and_then, endless_header, wrong_bytes, None])
def test_rounds__one_node_announces_a_lie__only_its_own_update_is_left_out(
    tmp_path: Path, stack: ExitStack, way: Callable[[socket.socket, str], None] | None
) -> None:
    lie = "\x00 rubbish" if way is None else stack.enter_context(closing(Liar(way))).url
    swarm = ServedSwarm(tmp_path, stack, lies={3: lie})
    swarm.run(rounds=1)
    liar = swarm.nodes[3].account
    for result in swarm.results():
        assert [(one.node, one.reason) for one in result.excluded] == [(liar, Reason.UNAVAILABLE)]
        assert len(result.included) == 3


def test_rounds__one_node_sends_others_to_where_its_blocks_are__nobody_goes(tmp_path: Path, stack: ExitStack) -> None:
    def redirect(connection: socket.socket, path: str) -> None:
        lines = f"HTTP/1.1 302 Found\r\nLocation: {swarm.urls[3]}{path}\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(lines.encode())

    swarm = ServedSwarm(tmp_path, stack, lies={3: stack.enter_context(closing(Liar(redirect))).url})
    swarm.run(rounds=1)
    assert [one.node for one in swarm.results()[0].excluded] == [swarm.nodes[3].account]


def test_round__two_are_silent__a_look_takes_the_time_of_one_block(tmp_path: Path, stack: ExitStack) -> None:
    swarm = ServedSwarm(tmp_path, stack, merge_window=60)
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.REVEALING)
    for node in swarm.nodes[:2]:
        swarm.stories[node.account] = stack.enter_context(closing(Liar(silence))).url.encode()
        swarm.chain.as_account(node.account).send(Announce(stores=swarm.stories[node.account]))
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.MERGING)
    began = time.monotonic()
    swarm.nodes[2].agent.step()
    window = swarm.chain.look().swarm.config.merge_window
    assert window / SHARE <= time.monotonic() - began < 2 * window / SHARE


def test_restart__peers_forgot_nothing__goes_on_from_its_own_store(tmp_path: Path, stack: ExitStack) -> None:
    swarm = ServedSwarm(tmp_path, stack)
    swarm.run(rounds=1)
    swarm.restart(swarm.nodes[1])
    swarm.run(rounds=2)
    assert [len(result.included) for result in swarm.results()] == [4, 4]


# ---------------------------------------------------------------------------------------------------- only outwards

TOKEN = "0pen-s3same"


class Lent:
    """A node's blocks, as whoever runs the node serves them to the public."""

    def __init__(self, store: UpdateStore) -> None:
        self._store = store

    def open(self, cid: Cid) -> BinaryIO:
        file = TemporaryFile()  # noqa: SIM115  whoever serves it closes it
        file.write(self._store.get(cid))
        file.seek(0)
        return file


class Hospital(ServedSwarm):
    """A swarm whose last node serves nothing: it only connects to others, and to a store that somebody else serves."""

    def __init__(self, folder: Path, stack: ExitStack, public: str) -> None:
        self.public = public
        super().__init__(folder, stack)

    def _store(self, account: Address, folder: Path) -> UpdateStore:
        if len(self.own) < 3:
            return super()._store(account, folder)
        self.stories[account] = self.public.encode()
        peers = PeerStores(self.chain.as_account(account), allow_private=True, every=0.0)
        return CompositeStore([open_store("kubo:hospital"), GatewayStore([self.deployer]), peers])


def test_rounds__one_node_only_connects_outwards__takes_part(
    tmp_path: Path, stack: ExitStack, ipfs: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca, certificate = make_ca(tmp_path)
    _, _, host, _, port = ipfs.api.split("/")
    door = stack.enter_context(guarded((host, int(port)), certificate, TOKEN))
    way_out = stack.enter_context(proxy())
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "settings.toml").write_text(
        f'[stores.hospital]\naddress = "https://localhost:{door.port}"\ntoken_file = "token"\nca_file = "{ca}"\n'
        f'proxy = "http://127.0.0.1:{way_out.port}"\ntimeout = 2\n'
    )
    monkeypatch.setenv("SWARM_CHAIN_SETTINGS", str(tmp_path / "settings.toml"))
    public = stack.enter_context(serving.start(Lent(open_store(f"kubo:{ipfs.api}")))).url
    swarm = Hospital(tmp_path, stack, public)
    swarm.run(rounds=2)
    assert [len(result.included) for result in swarm.results()] == [4, 4]
    assert set(door.passed) == {"let in"}
    assert set(way_out.passed) == {f"CONNECT localhost:{door.port}"}
