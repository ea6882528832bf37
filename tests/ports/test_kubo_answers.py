"""Each answer that a real Kubo 0.44 gave comes to what it means: recorded, and said again by a server."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest

from swarm_chain.adapters.gateway_store import GatewayStore
from swarm_chain.adapters.gateways.source import _is_in_order
from swarm_chain.adapters.kubo.cids import cid_in
from swarm_chain.adapters.kubo.pins import Pins
from swarm_chain.adapters.kubo.rpc import Command, Refused, Rpc
from swarm_chain.adapters.kubo_store import KuboStore
from swarm_chain.config import StoreSettings
from swarm_chain.core.cars import read_car
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.publication import Publication
from swarm_chain.errors import BlockNotFound, PinFailed, StoreUnavailable
from swarm_chain.ports import MAX_BLOCK
from tests.rpc_server import Server, answer, recorded, replay, serving

RECORDS: dict[str, dict[str, Any]] = {record["note"]: record for record in recorded()}
DOCUMENT = b64decode(RECORDS["block/get"]["body"]["base64"])
WEIGHTS = b64decode(RECORDS["gateway, raw block, by header"]["body"]["base64"])
ROOT = cid_of(DOCUMENT, Codec.DAG_CBOR)
MISSING = cid_in("bafkreiemqpndzewx4bioklzfvhtiegsfny5fxuc3nkjk2vmcpjxiammsti")
PUBLICATION = Publication(document=DOCUMENT, files=(WEIGHTS,))
assert MISSING is not None


@pytest.fixture
def node() -> Iterator[Server]:
    """A server that says what a test gives it."""
    with serving(replay(RECORDS["version"])) as server:
        yield server


def store_at(node: Server) -> KuboStore:
    return KuboStore(StoreSettings(address=node.address, timeout=1))


def rpc_at(node: Server) -> Rpc:
    return Rpc("the node", StoreSettings(address=node.address))


# ------------------------------------------------------------------------------------------------------------ successes


def test_get__a_block__is_the_block(node: Server) -> None:
    node.say = replay(RECORDS["block/get"])
    assert store_at(node).get(ROOT) == DOCUMENT
    path, options, _, _ = node.heard[0]
    assert (path, options["arg"], options["timeout"]) == ("/api/v0/block/get", str(ROOT), "1s")


def test_has__a_block__is_there(node: Server) -> None:
    node.say = replay(RECORDS["block/stat"])
    assert store_at(node).has(ROOT)
    assert node.heard[0][1]["offline"] == "true"


@pytest.mark.parametrize("note", ["dag/import of a CAR of a document and its leaf, root pinned", "dag/import again"])
def test_publish__a_document_and_its_leaf__is_one_call_that_pins_the_root(node: Server, note: str) -> None:
    node.say = replay(RECORDS[note])
    store_at(node).publish(PUBLICATION)
    ((path, options, headers, sent),) = node.heard
    assert (path, options["pin-roots"]) == ("/api/v0/dag/import", "true")
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert sent > 2219  # the CAR that Kubo was given, and what is around it


def test_pins__all_of_a_kind__are_those_that_a_swarm_could_use(node: Server) -> None:
    node.say = replay(RECORDS["pin/ls all recursive"])
    pinned = Pins(rpc_at(node)).listed("recursive")
    assert ROOT in pinned
    assert len(pinned) == 10  # one of them is of version 0


def test_pins__none_of_a_kind__is_an_empty_list(node: Server) -> None:
    node.say = answer(b"{}\n")
    assert Pins(rpc_at(node)).listed("direct") == frozenset()


@pytest.mark.parametrize(
    "said", [b"", b"{}{}", b"{}\n{}", b'{"Keys": 1}', b'{"Message": "no"}', b'{"Keys": {}, "Message": "no"}', b"[]"]
)
def test_pins__what_is_no_list__is_an_error(node: Server, said: bytes) -> None:
    node.say = answer(said)
    with pytest.raises(StoreUnavailable):
        Pins(rpc_at(node)).listed("direct")


@pytest.mark.parametrize("kind", ["recursive", "direct"])
def test_pin__that_is_set__is_no_error(node: Server, kind: Any) -> None:
    node.say = replay(RECORDS["pin/add with a name"])
    Pins(rpc_at(node)).add(ROOT, kind, seconds=1)
    assert node.heard[0][1]["recursive"] == str(kind == "recursive").lower()


def test_unpin__what_is_pinned_or_not__is_no_error(node: Server) -> None:
    for note in ("pin/rm", "pin/rm not pinned"):
        node.say = replay(RECORDS[note])
        Pins(rpc_at(node)).remove(ROOT)


# -------------------------------------------------------------------------------------------------------- its gateway


def gateway_at(node: Server) -> GatewayStore:
    return GatewayStore([f"http://127.0.0.1:{node.port}"])


def test_gateway__a_block__is_the_block(node: Server) -> None:
    node.say = replay(RECORDS["gateway, raw block"])
    assert gateway_at(node).get(ROOT) == DOCUMENT
    ((path, options, headers, _),) = node.heard
    assert (path, options) == (f"/ipfs/{ROOT}", {"format": "raw"})
    assert headers["accept"] == RECORDS["gateway, raw block"]["headers"]["Content-Type"]


def test_gateway__what_nobody_has__is_asked_for_once(node: Server) -> None:
    assert MISSING is not None
    node.say = replay(RECORDS["gateway, no such CID"])
    with pytest.raises(StoreUnavailable, match="did not find it in its time"):
        gateway_at(node).get(MISSING)
    assert len(node.heard) == 1, "Kubo has looked for it for half a minute"


def test_gateway__a_car__says_that_it_is_in_the_order_that_is_read(node: Server) -> None:
    said = RECORDS["gateway, CAR of one block"]
    assert _is_in_order(said["headers"]["Content-Type"])
    body = BytesIO(b64decode(said["body"]["base64"]))
    assert list(read_car(body, max_block=MAX_BLOCK)) == [(ROOT, DOCUMENT)]


# --------------------------------------------------------------------------------------------------------------- errors


def get(store: KuboStore, cid: Cid = ROOT) -> object:
    return store.get(cid)


def publish(store: KuboStore) -> object:
    return store.publish(PUBLICATION)


def has(store: KuboStore) -> object:
    return store.has(ROOT)


ERRORS: dict[str, tuple[Callable[[KuboStore], object], type[Exception], str]] = {
    "block/get of a CID that nobody has, with a timeout": (get, BlockNotFound, "context deadline exceeded"),
    "block/get offline": (get, BlockNotFound, "not found locally"),
    "block/get after gc, offline": (get, BlockNotFound, "not found locally"),
    "block/get of something that is no CID": (get, StoreUnavailable, "invalid path"),
    "block/get without argument": (get, StoreUnavailable, "status 400"),
    "dag/import with a root that is not in the CAR": (publish, PinFailed, "does not say that it keeps"),
    "dag/import of a document whose link is missing, root pinned": (publish, PinFailed, "does not say that it keeps"),
    "dag/import of a block whose bytes do not match its CID": (publish, StoreUnavailable, "mismatch in content"),
    "dag/import truncated": (publish, StoreUnavailable, "unexpected EOF"),
    "dag/import of rubbish": (publish, StoreUnavailable, "unexpected EOF"),
    "pin/add of a CID that nobody has": (
        lambda store: store._pins.add(ROOT, "recursive", seconds=1),
        PinFailed,
        "deadline exceeded",
    ),
    "pin/ls not pinned": (lambda store: store._pins.listed("direct"), StoreUnavailable, "is not pinned"),
    "unknown command": (has, StoreUnavailable, "no RPC API"),
    "GET is refused": (has, StoreUnavailable, "no RPC API"),
    "a browser's origin is refused": (has, StoreUnavailable, "refuses to be asked"),
    "gateway, no such CID": (has, StoreUnavailable, "504"),
    "gateway, not a CID": (has, StoreUnavailable, "400"),
    "gateway, dag-json of a document": (has, StoreUnavailable, "406"),
}


@pytest.mark.parametrize("note", ERRORS)
def test_store__an_error_that_kubo_gave__is_the_error_it_should_be(node: Server, note: str) -> None:
    call, error, said = ERRORS[note]
    node.say = replay(RECORDS[note])
    with pytest.raises(error, match=said):
        call(store_at(node))


def test_has__a_block_that_is_not_on_the_node__is_no_error(node: Server) -> None:
    node.say = replay(RECORDS["block/stat missing offline"])
    assert not store_at(node).has(ROOT)


def test_has__a_kubo_that_is_late__is_not_one_that_lacks_the_block(node: Server) -> None:
    node.say = replay(RECORDS["block/get of a CID that nobody has, with a timeout"])
    with pytest.raises(StoreUnavailable, match="deadline exceeded"):
        store_at(node).has(ROOT)


ELSEWHERE = {
    "block/stat missing offline": "above",
    "pin/rm not pinned": "above",
    "cat missing": "a command that is not used",
    "swarm/connect to nobody": "a command that is not used",
}


def test_errors__every_one_on_record__is_in_a_test() -> None:
    failed = {note for note, record in RECORDS.items() if record["status"] >= 400 or _has_pin_error(record)}
    assert failed == ERRORS.keys() | ELSEWHERE.keys()


def _has_pin_error(record: dict[str, Any]) -> bool:
    return re.search('"PinErrorMsg":"[^"]', record["body"].get("text", "")) is not None


def test_publish__status_200_with_a_pin_error__is_an_error_though_the_blocks_are_there(node: Server) -> None:
    node.say = replay(RECORDS["dag/import of a document whose link is missing, root pinned"])
    with pytest.raises(PinFailed):
        store_at(node).publish(PUBLICATION)
    # That answer alone does not pass for a success: the pins are tried one by one.
    assert [path for path, *_ in node.heard][-1] == "/api/v0/pin/add"


def test_ask__a_command_that_a_node_refuses__says_why(node: Server) -> None:
    node.say = replay(RECORDS["pin/ls not pinned"])
    with pytest.raises(Refused, match="is not pinned"):
        rpc_at(node).ask(Command(name="pin/ls", seconds=5))
