"""A served store, as the trustless gateway specification has it, and as no reader can harm it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import multiformats
import pytest
import requests

from swarm_chain import serving
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.core import dagcbor
from swarm_chain.core.cars import read_car
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.unixfs import CHUNK, import_bytes
from swarm_chain.core.varints import varint
from swarm_chain.errors import ConfigurationError, PortInUse
from swarm_chain.ports import MAX_BLOCK
from swarm_chain.serving import Gateway, Limits
from tests.ipfs import Daemon

RAW, CAR = "application/vnd.ipld.raw", "application/vnd.ipld.car"
CONTENT = os.urandom(3 * CHUNK + 77)
LEAVES = [CONTENT[start : start + CHUNK] for start in range(0, len(CONTENT), CHUNK)]
UNKNOWN = cid_of(b"nobody has this", Codec.RAW)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store", sync=False)


@pytest.fixture
def root(store: LocalStore) -> Cid:
    """A file of four chunks."""
    return import_bytes(CONTENT, store.put).cid


@pytest.fixture
def gateway(store: LocalStore) -> Iterator[Gateway]:
    with serving.start(store) as gateway:
        yield gateway


def put(store: LocalStore, value: dagcbor.Value) -> Cid:
    data = dagcbor.encode(value)
    store.put(cid_of(data, Codec.DAG_CBOR), data)
    return cid_of(data, Codec.DAG_CBOR)


def ask(gateway: Gateway, path: str, method: str = "GET", **headers: str) -> requests.Response:
    """An answer; headers are named with underscores."""
    told = {"Accept": "", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return requests.request(method, gateway.url + path, headers=told, timeout=10, allow_redirects=False)


def car_blocks(answer: requests.Response) -> list[Cid]:
    """The blocks of a CAR file in their order, each checked."""
    assert answer.status_code == 200, answer.text
    return [cid for cid, _ in read_car(BytesIO(answer.content), max_block=MAX_BLOCK)]


# --------------------------------------------------------------------------------------------------------------- blocks


def test_raw__every_block__is_its_bytes(gateway: Gateway, store: LocalStore, root: Cid) -> None:
    for cid in store.cids():
        answer = ask(gateway, f"/ipfs/{cid}?format=raw")
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).digest() == cid.digest
        assert answer.headers["Content-Length"] == str(len(answer.content))


def test_raw__headers__are_as_the_specification_has_them(gateway: Gateway, root: Cid) -> None:
    headers = ask(gateway, f"/ipfs/{root}?format=raw").headers

    assert headers["Content-Type"] == RAW
    assert headers["Etag"] == f'"{root}.raw"'
    assert headers["Cache-Control"] == "public, max-age=29030400, immutable"
    assert headers["Content-Disposition"] == f'attachment; filename="{root}.bin"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert (headers["X-Ipfs-Path"], headers["X-Ipfs-Roots"]) == (f"/ipfs/{root}", str(root))
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Location" not in headers


@pytest.mark.parametrize(
    ("asked_for", "plain"),
    [
        ("model.bin", "model.bin"),
        ("a%22%0D%0AX-Evil%3A%20b", "a___X-Evil_ b"),
        ("%E2%82%AC.bin", "_.bin"),
        ("y" * 999, "y" * 255),
    ],
)
def test_raw__a_name_to_keep_it_as__is_said_and_nothing_else(
    gateway: Gateway, root: Cid, asked_for: str, plain: str
) -> None:
    headers = ask(gateway, f"/ipfs/{root}?format=raw&filename={asked_for}").headers
    assert headers["Content-Disposition"].startswith(f"attachment; filename=\"{plain}\"; filename*=UTF-8''")
    assert "X-Evil" not in headers


def test_raw__asked_for_by_accept__says_where_it_lies(gateway: Gateway, root: Cid) -> None:
    answer = ask(gateway, f"/ipfs/{root}", Accept=f"text/html, {CAR};q=0.5, {RAW}")

    assert answer.headers["Content-Type"] == RAW
    assert answer.headers["Content-Location"] == f"/ipfs/{root}?format=raw"
    assert answer.headers["Vary"] == "Accept"


def test_raw__query_and_accept_differ__query_counts(gateway: Gateway, root: Cid) -> None:
    assert ask(gateway, f"/ipfs/{root}?format=raw", Accept=CAR).headers["Content-Type"] == RAW


@pytest.mark.parametrize("accept", [RAW, CAR])
def test_head__a_block__is_the_head_of_get(gateway: Gateway, root: Cid, accept: str) -> None:
    head, get = (ask(gateway, f"/ipfs/{root}", method, Accept=accept) for method in ("HEAD", "GET"))

    assert head.status_code == 200
    assert head.content == b""
    assert {**head.headers, "Date": ""} == {**get.headers, "Date": ""}


def test_raw__other_texts_of_a_cid__are_the_same_block(gateway: Gateway, root: Cid) -> None:
    other = multiformats.CID.decode(str(root))
    for text in (
        other.encode("base58btc"),
        other.encode("base16"),
        str(root).upper(),
        str(other.set(base="base58btc", version=0)),
    ):
        answer = ask(gateway, f"/ipfs/{text}?format=raw")
        assert hashlib.sha256(answer.content).digest() == root.digest


@pytest.mark.parametrize("form", ["raw", "car"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_unknown__any_way_to_ask__is_404_within_a_tenth_of_a_second(gateway: Gateway, form: str, method: str) -> None:
    took = []
    for _ in range(20):  # The quickest of twenty: other work on the machine is not what this is about.
        started = time.monotonic()
        answer = ask(gateway, f"/ipfs/{UNKNOWN}?format={form}", method)
        took.append(time.monotonic() - started)
    assert min(took) < 0.1
    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Etag" not in answer.headers


def test_unknown__cache_only__is_412(gateway: Gateway) -> None:
    answer = ask(gateway, f"/ipfs/{UNKNOWN}?format=raw", "HEAD", Cache_Control="only-if-cached")
    assert answer.status_code == 412


@pytest.mark.parametrize("form", ["raw", "car"])
def test_if_none_match__reader_has_it__is_304_without_a_body(gateway: Gateway, root: Cid, form: str) -> None:
    path = f"/ipfs/{root}?format={form}"
    etag = ask(gateway, path, "HEAD").headers["Etag"]

    for header in (etag, f'"another", {etag}', "*", etag.removeprefix("W/")):
        answer = ask(gateway, path, If_None_Match=header)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["Etag"] == etag
    assert ask(gateway, path, If_None_Match='"another"').status_code == 200
    assert ask(gateway, f"/ipfs/{UNKNOWN}?format={form}", If_None_Match="*").status_code == 404


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 404),
        ("/ipns/name?format=raw", {}, 404),
        ("/../etc/passwd", {}, 404),
        ("/api/v0/block/get?arg={root}", {}, 404),
        ("/ipfs/", {}, 404),
        ("/ipfs/nonsense?format=raw", {}, 400),
        ("/ipfs/..%2f..%2fetc%2fpasswd?format=raw", {}, 400),
        ("/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvykv?format=raw", {}, 400),
        ("/ipfs/{root}", {}, 400),
        ("/ipfs/{root}", {"Accept": "*/*"}, 400),
        ("/ipfs/{root}", {"Accept": "text/html"}, 406),
        ("/ipfs/{root}", {"Accept": f"{RAW};q=0"}, 400),
        ("/ipfs/{root}?format=tar", {}, 406),
        ("/ipfs/{root}?format=nonsense", {}, 400),
        ("/ipfs/{root}/name?format=raw", {}, 400),
        ("/ipfs/{root}/name?format=car", {}, 404),
        ("/ipfs/{root}?format=car&car-version=2", {}, 406),
        ("/ipfs/{root}", {"Accept": f"{CAR};version=2"}, 406),
        ("/ipfs/{root}?format=car&car-order=bfs", {}, 406),
        ("/ipfs/{root}?format=car&car-dups=x", {}, 400),
        ("/ipfs/{root}?format=car&dag-scope=some", {}, 400),
        ("/ipfs/{root}?format=car&entity-bytes=1", {}, 400),
        ("/ipfs/{root}?format=raw" + "&a=b" * 100, {}, 400),
        ("/ipfs/{root}?format=raw", {"Service-Worker": "script"}, 400),
        ("/ipfs/{root}?format=raw&x=" + "y" * 20_000, {}, 431),
        ("/ipfs/{root}?format=raw", {"X": "y" * 20_000}, 431),
    ],
)
def test_other_requests__each__has_its_status_and_a_line(
    gateway: Gateway, root: Cid, path: str, headers: dict[str, str], status: int
) -> None:
    answer = ask(gateway, path.format(root=root), **headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.endswith("\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_methods_that_write__each__are_405(gateway: Gateway, root: Cid, method: str) -> None:
    answer = ask(gateway, f"/ipfs/{root}?format=raw", method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_options__a_browser_asks__may_read(gateway: Gateway) -> None:
    answer = ask(gateway, "/ipfs/x", "OPTIONS", Origin="https://page.example")
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(("form", "size"), [("raw", 0), ("car", 26)])
def test_probe__the_cid_without_bytes__is_answered(gateway: Gateway, form: str, size: int) -> None:
    for method in ("GET", "HEAD"):
        answer = ask(gateway, f"/ipfs/bafkqaaa?format={form}", method)
        assert answer.status_code == 200
        assert answer.headers["Content-Length"] == str(size)
    if form == "car":
        header = ask(gateway, "/ipfs/bafkqaaa?format=car").content
        assert header[1:] == b"\xa2\x65roots\x81\xd8\x2a\x45\x00\x01\x55\x00\x00\x67version\x01"


def test_corrupted_block__asked_for__is_500_and_no_byte_of_it(
    gateway: Gateway, store: LocalStore, root: Cid, caplog: pytest.LogCaptureFixture
) -> None:
    store.path(root).write_bytes(b"something else")
    for form in ("raw", "car"):
        answer = ask(gateway, f"/ipfs/{root}?format={form}")
        assert answer.status_code == 500
        assert "something else" not in answer.text
    assert "corrupted" in caplog.text


# ------------------------------------------------------------------------------------------------------------------ CAR


def leaves() -> list[Cid]:
    return [cid_of(leaf, Codec.RAW) for leaf in LEAVES]


def test_car__a_file__is_its_blocks_depth_first(gateway: Gateway, root: Cid) -> None:
    answer = ask(gateway, f"/ipfs/{root}?format=car")

    assert answer.headers["Content-Type"] == f"{CAR}; version=1; order=dfs; dups=n"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{root}.car"'
    assert answer.headers["Etag"].startswith(f'W/"{root}.car')
    assert car_blocks(answer) == [root, *leaves()]
    assert dagcbor.decode(answer.content[1:][: answer.content[0]]) == {"roots": [root], "version": 1}


def test_car__a_document__has_all_that_it_links_to(gateway: Gateway, store: LocalStore, root: Cid) -> None:
    old = put(store, {"base": None, "weights": root})
    new = put(store, {"base": old, "included": [{"update": old, "weight": 1}], "weights": root})

    assert car_blocks(ask(gateway, f"/ipfs/{new}?format=car")) == [new, old, root, *leaves()]
    assert car_blocks(ask(gateway, f"/ipfs/{new}?format=car&dag-scope=block")) == [new]
    assert car_blocks(ask(gateway, f"/ipfs/{new}?format=car&dag-scope=entity")) == [new]
    assert car_blocks(ask(gateway, f"/ipfs/{root}?format=car&dag-scope=entity")) == [root, *leaves()]


def test_car__a_path_in_a_document__begins_with_what_is_on_it(gateway: Gateway, store: LocalStore, root: Cid) -> None:
    old = put(store, {"weights": root})
    new = put(store, {"included": [{"update": old}]})

    answer = ask(gateway, f"/ipfs/{new}/included/0/update/weights?format=car")
    assert car_blocks(answer) == [new, old, root, *leaves()]
    assert answer.headers["X-Ipfs-Path"] == f"/ipfs/{new}/included/0/update/weights"
    assert answer.headers["X-Ipfs-Roots"] == f"{new},{old},{root}"
    for path in ("included/1", "included/x", "nothing", "included/0/update/weights/0"):
        assert ask(gateway, f"/ipfs/{new}/{path}?format=car").status_code == 404


def test_car__a_path_that_would_be_a_header__is_none(gateway: Gateway, store: LocalStore, root: Cid) -> None:
    document = put(store, {'€"\r\nX-Evil: b': root})
    answer = ask(gateway, f"/ipfs/{document}/%E2%82%AC%22%0D%0AX-Evil%3A%20b?format=car")
    assert car_blocks(answer) == [document, root, *leaves()]
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize("by", ["query", "accept"])
def test_car__repeated_blocks__come_once_or_as_often_as_asked_for(gateway: Gateway, store: LocalStore, by: str) -> None:
    leaf = cid_of(bytes(CHUNK), Codec.RAW)
    root = import_bytes(bytes(3 * CHUNK), store.put).cid
    ways: dict[str, Callable[[str], requests.Response]] = {
        "query": lambda dups: ask(gateway, f"/ipfs/{root}?format=car&car-dups={dups}"),
        "accept": lambda dups: ask(gateway, f"/ipfs/{root}?format=car", Accept=f'{CAR}; order=dfs; dups="{dups}"'),
    }
    assert car_blocks(ways[by]("n")) == [root, leaf]
    assert car_blocks(ways[by]("y")) == [root, leaf, leaf, leaf]
    assert "dups=y" in ways[by]("y").headers["Content-Type"]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ("0:*", [0, 1, 2, 3]),
        ("0:0", [0]),
        (f"{CHUNK - 1}:{CHUNK}", [0, 1]),
        (f"{CHUNK}:{2 * CHUNK - 1}", [1]),
        ("-77:*", [3]),
        ("-78:*", [2, 3]),
        (f"{CHUNK}:-78", [1, 2]),
        (f"{3 * CHUNK}:99999999999", [3]),
        ("99999999999:*", []),
        ("5:4", [0]),
        (f"{2 * CHUNK}:{CHUNK}", []),
    ],
)
def test_car__bytes_of_a_file__has_no_other_leaves(gateway: Gateway, root: Cid, span: str, expected: list[int]) -> None:
    answer = ask(gateway, f"/ipfs/{root}?format=car&entity-bytes={span}")
    assert car_blocks(answer) == [root, *(leaves()[index] for index in expected)]


def test_car__tree_of_two_levels__is_walked_depth_first(gateway: Gateway, store: LocalStore) -> None:
    # Not of the swarm's profile: nodes of two links, as another program may write them.
    def node(*links: tuple[Cid, int]) -> tuple[Cid, int]:
        data = b"".join(b"\x12\x26\x0a\x24" + bytes(cid) for cid, _ in links)
        file = b"\x08\x02" + b"".join(b"\x20" + bytes([size]) for _, size in links)
        data += b"\x0a" + bytes([len(file)]) + file
        store.put(cid_of(data, Codec.DAG_PB), data)
        return cid_of(data, Codec.DAG_PB), sum(size for _, size in links)

    ends = []
    for data in (b"one", b"three", b"seven", b"nine"):
        ends.append((cid_of(data, Codec.RAW), len(data)))
        store.put(ends[-1][0], data)
    left, right = node(*ends[:2]), node(*ends[2:])
    root, _ = node(left, right)

    everything = car_blocks(ask(gateway, f"/ipfs/{root}?format=car"))
    assert everything == [root, left[0], ends[0][0], ends[1][0], right[0], ends[2][0], ends[3][0]]
    some = car_blocks(ask(gateway, f"/ipfs/{root}?format=car&entity-bytes=8:8"))
    assert some == [root, right[0], ends[2][0]]


@pytest.mark.parametrize("suffix", ["", "&dag-scope=block", "&dag-scope=entity", "&car-dups=y"])
def test_car__file_of_up_to_a_gigabyte__says_how_long_it_is(
    gateway: Gateway, store: LocalStore, root: Cid, suffix: str
) -> None:
    repeating = import_bytes(bytes(3 * CHUNK) + b"end", store.put).cid
    for cid in (root, repeating, leaves()[0]):
        answer = ask(gateway, f"/ipfs/{cid}?format=car{suffix}")
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        assert car_blocks(answer)[0] == cid


@pytest.mark.parametrize("sizes", [(3, 6), (5, 4), (1 << 60, 1 << 60)])
def test_car__root_says_other_sizes__breaks_off_visibly(
    gateway: Gateway, store: LocalStore, sizes: tuple[int, int]
) -> None:
    links = [cid_of(data, Codec.RAW) for data in (b"four", b"fives")]
    for data in (b"four", b"fives"):
        store.put(cid_of(data, Codec.RAW), data)
    file = b"\x08\x02" + b"".join(b"\x20" + varint(size) for size in sizes)
    data = b"".join(b"\x12\x26\x0a\x24" + bytes(cid) for cid in links) + b"\x0a" + varint(len(file)) + file
    root = cid_of(data, Codec.DAG_PB)
    store.put(root, data)
    if sum(sizes) == 9:
        # As long as it should be all the same: whoever reads it finds blocks of other sizes, and each is its CID's.
        assert car_blocks(ask(gateway, f"/ipfs/{root}?format=car")) == [root, *links]
    else:
        with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
            ask(gateway, f"/ipfs/{root}?format=car")


def test_car__a_block_below_is_missing__breaks_off_visibly(gateway: Gateway, store: LocalStore, root: Cid) -> None:
    store.path(leaves()[2]).unlink()

    document = put(store, {"weights": root})
    for cid in (root, document):
        with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
            ask(gateway, f"/ipfs/{cid}?format=car")
    # Without chunks, only a reset tells the end of an answer from an answer that ends early.
    with socket.create_connection(gateway.address, timeout=5) as connection:
        connection.sendall(f"GET /ipfs/{document}?format=car HTTP/1.0\r\n\r\n".encode())
        with pytest.raises(ConnectionResetError):
            received(connection)


def test_car__http_1_0__ends_with_the_connection(gateway: Gateway, root: Cid) -> None:
    with socket.create_connection(gateway.address, timeout=5) as connection:
        connection.sendall(f"GET /ipfs/{root}?format=car HTTP/1.0\r\n\r\n".encode())
        answer = received(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert [cid for cid, _ in read_car(BytesIO(body), max_block=MAX_BLOCK)] == [root, *leaves()]


def test_car__tree_that_repeats_itself_for_ever__ends(store: LocalStore) -> None:
    below = cid_of(b"leaf", Codec.RAW)
    store.put(below, b"leaf")
    for _ in range(40):  # 2**40 leaves
        below = put(store, [below, below])
    with serving.start(store, limits=Limits(repeats=100)) as gateway:
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            ask(gateway, f"/ipfs/{below}?format=car&car-dups=y")
        assert len(car_blocks(ask(gateway, f"/ipfs/{below}?format=car"))) == 41


def test_car__history_of_thousands_of_documents__is_walked(gateway: Gateway, store: LocalStore) -> None:
    base = put(store, {"base": None})
    for number in range(3000):
        base = put(store, {"base": base, "round": number})
    assert len(car_blocks(ask(gateway, f"/ipfs/{base}?format=car"))) == 3001


def test_car__of_the_whole__imports_into_a_real_node(
    gateway: Gateway, store: LocalStore, root: Cid, ipfs: Daemon
) -> None:
    document = put(store, {"type": "swarm-chain/test", "weights": root})
    car = ask(gateway, f"/ipfs/{document}?format=car").content

    part = {"file": ("file.car", car, "application/octet-stream")}
    answer = requests.post(f"{ipfs.url}/api/v0/dag/import?pin-roots=true", files=part, timeout=60)

    assert answer.status_code == 200, answer.text
    said = [json.loads(line) for line in answer.text.splitlines()]
    assert not said[0]["Root"].get("PinErrorMsg")
    for cid in (document, root, *leaves()):
        data = requests.post(f"{ipfs.url}/api/v0/block/get?arg={cid}&timeout=5s", timeout=10).content
        assert hashlib.sha256(data).digest() == cid.digest
    content = requests.post(f"{ipfs.url}/api/v0/cat?arg={root}&timeout=10s", timeout=20).content
    assert content == CONTENT


# -------------------------------------------------------------------------------------------------------------- readers


def opened(gateway: Gateway) -> socket.socket:
    return socket.create_connection(gateway.address, timeout=30)


def received(connection: socket.socket) -> bytes:
    """All that comes until the other side ends the connection."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side ends a connection within half a minute, whatever it says before."""
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def test_keep_alive__several_requests__use_one_connection(gateway: Gateway, root: Cid) -> None:
    connection = http.client.HTTPConnection(*gateway.address, timeout=5)
    for path, status in ((f"/ipfs/{root}?format=raw", 200), ("/x", 404), (f"/ipfs/{root}?format=car", 200)):
        connection.request("GET", path)
        first = connection.sock
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert connection.sock is first is not None


def test_pipelined__requests_at_once__are_answered_in_order(gateway: Gateway, root: Cid) -> None:
    with opened(gateway) as connection:
        connection.sendall(
            b"HEAD /ipfs/x HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
        )
        answer = received(connection)
    assert answer.count(b"HTTP/1.1 ") == 3
    assert answer.endswith(b"?format=raw\n")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Content-Length: 26", 200),
        ("Content-Length: 0\r\nContent-Length: 26", 200),
        ("Transfer-Encoding: chunked", 200),
        ("Content-Length : 26", 400),
        ("no header\r\nTransfer-Encoding: chunked", 400),
        (" folded\r\nContent-Length: 26", 400),
    ],
)
def test_request_with_a_body__however_it_is_told__is_not_read_as_another_request(
    gateway: Gateway, root: Cid, headers: str, status: int
) -> None:
    with opened(gateway) as connection:
        inner = "GET /smuggled HTTP/1.1\r\n\r\n"
        connection.sendall(f"GET /ipfs/{root}?format=raw HTTP/1.1\r\n{headers}\r\n\r\n{inner}".encode())
        answer = received(connection)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("bytes_", [b"\x16\x03\x01" + bytes(200), b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_no_http__is_refused_and_closed(gateway: Gateway, bytes_: bytes) -> None:
    with opened(gateway) as connection:
        connection.sendall(bytes_)
        connection.shutdown(socket.SHUT_WR)
        assert is_closed(connection)


@pytest.mark.parametrize("way", ["silent", "slow head", "takes nothing", "half a request"])
def test_slow_reader__any_way__loses_its_connection_and_nobody_else_waits(
    store: LocalStore, root: Cid, way: str
) -> None:
    big = os.urandom(16 * CHUNK)
    whole = import_bytes(big, store.put).cid
    limits = Limits(head=2, idle=2, grace=2, slowest=100 * CHUNK)
    with serving.start(store, limits=limits) as gateway, opened(gateway) as connection:
        if way == "slow head":
            threading.Thread(target=dribble, args=(connection, f"GET /ipfs/{root}?format=raw".encode())).start()
        elif way == "takes nothing":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(f"GET /ipfs/{whole}?format=car HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        elif way == "half a request":
            connection.sendall(b"GET /ipfs/")
        started = time.monotonic()
        assert ask(gateway, f"/ipfs/{root}?format=raw").status_code == 200
        wait_until(lambda: not gateway.connections)
        assert time.monotonic() - started < Limits().idle


def dribble(connection: socket.socket, data: bytes) -> None:
    """Sends a byte every tenth of a second, until nobody listens."""
    try:
        for index in range(len(data)):
            connection.sendall(data[index : index + 1])
            time.sleep(0.1)
    except OSError:
        pass


def test_many_connections__more_than_there_are_places__are_told_to_come_back(store: LocalStore, root: Cid) -> None:
    limits = Limits(connections=8, connections_of_one=8, head=4.0)
    with serving.start(store, limits=limits) as gateway:
        held = [opened(gateway) for _ in range(8)]
        wait_until(lambda: gateway.connections == 8)
        with opened(gateway) as one_more:
            assert b"503" in one_more.recv(100)
        answer = ask_over(held[0], root)
        assert answer.status == 200
        assert answer.headers["Connection"] == "close"  # So close to the limit, nobody keeps a place for the next one.
        wait_until(lambda: gateway.connections == 0)  # Who asks nothing loses the place.
        assert ask(gateway, f"/ipfs/{root}?format=raw").status_code == 200


def test_many_connections__from_one_address__leave_places_for_others(store: LocalStore) -> None:
    with serving.start(store, limits=Limits(connections=8, connections_of_one=2)) as gateway:
        held = [opened(gateway) for _ in range(2)]
        wait_until(lambda: gateway.connections == 2)
        with opened(gateway) as one_more:
            assert b"503" in one_more.recv(100)
        with socket.create_connection(gateway.address, timeout=5, source_address=("127.0.0.2", 0)) as other:
            other.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert b"404" in other.recv(100)
        assert len(held) == 2


def ask_over(connection: socket.socket, cid: Cid) -> http.client.HTTPResponse:
    connection.sendall(f"GET /ipfs/{cid}?format=raw HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer


def wait_until(condition: Callable[[], Any]) -> None:
    until = time.monotonic() + 60
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


# ------------------------------------------------------------------------------------------------------ start and stop


def test_start__port_is_taken__raises(gateway: Gateway, store: LocalStore) -> None:
    with pytest.raises(PortInUse):
        serving.start(store, *gateway.address)


@pytest.mark.parametrize("host", ["192.0.2.250", "no-such-name.invalid"])
def test_start__no_address_of_this_machine__raises(store: LocalStore, host: str) -> None:
    with pytest.raises(ConfigurationError):
        serving.start(store, host)


def test_stop__while_answers_are_under_way__lets_them_end(
    store: LocalStore, root: Cid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.gateway, "_LAST_ANSWERS", 60.0)
    gateway = serving.start(store)
    with opened(gateway) as idle, opened(gateway) as connection:
        connection.sendall(f"GET /ipfs/{root}?format=raw HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.recv(10)
        started = time.monotonic()
        gateway.stop()
        assert time.monotonic() - started < 30
        assert is_closed(connection)
        assert is_closed(idle)
    with pytest.raises(ConnectionRefusedError):
        opened(gateway)


def test_serving__on_an_ipv6_address__is_reached_by_its_url(store: LocalStore, root: Cid) -> None:
    with serving.start(store, "::1") as gateway:
        assert gateway.url.startswith("http://[::1]:")
        assert ask(gateway, f"/ipfs/{root}?format=raw").status_code == 200
