"""CIDs that are computed here are those that an IPFS node computes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm_chain.adapters.kubo.cids import cid_in
from swarm_chain.adapters.kubo.rpc import Command, File, Rpc
from swarm_chain.config import StoreSettings
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.unixfs import CHUNK, import_bytes
from tests.ipfs import Daemon

VECTORS = Path(__file__).parents[1] / "vectors"
HUNDRED = 100 * CHUNK
SIZES = [file["bytes"] for file in json.loads((VECTORS / "kubo/unixfs.json").read_text())["files"]]
SIZES = [size for size in SIZES if size <= HUNDRED] + [HUNDRED - 1, HUNDRED]
"""js-ipfs forgets about 1024 links a node above 174 blocks."""
DOCUMENTS = json.loads((VECTORS / "documents.json").read_text())["documents"]


def cid_by(ipfs: Daemon, command: str, data: bytes, key: str, **options: str) -> Cid | None:
    """The CID in the last line of a node's answer."""

    def pieces() -> Iterator[bytes]:
        yield from (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))

    rpc = Rpc("the node", StoreSettings(address=ipfs.api))
    asked = Command(name=command, options=options, seconds=300, file=File(pieces))
    *_, answer = rpc.values(asked)
    found: Any = answer[key]
    return cid_in(found["/"] if isinstance(found, dict) else found)


def added(ipfs: Daemon, data: bytes) -> Cid | None:
    profile = {"cid-version": "1", "raw-leaves": "true", "chunker": "size-1048576"}
    return cid_by(ipfs, "add", data, "Hash", **profile, **{"only-hash": "true", "quieter": "true"})


@pytest.mark.parametrize("size", SIZES)
def test_add__as_the_profile_says__gives_our_cid(ipfs: Daemon, size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert added(ipfs, data) == import_bytes(data).cid


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 9 * CHUNK), seed=st.integers(0, 2**32))
def test_add__any_bytes__gives_our_cid(ipfs: Daemon, size: int, seed: int) -> None:
    data = random.Random(seed).randbytes(size)
    assert added(ipfs, data) == import_bytes(data).cid


@pytest.mark.parametrize("name", DOCUMENTS)
def test_dag_put__a_document__gives_our_cid(ipfs: Daemon, name: str) -> None:
    data = bytes.fromhex(DOCUMENTS[name]["hex"])
    options = {"store-codec": "dag-cbor", "input-codec": "dag-cbor", "hash": "sha2-256", "pin": "false"}
    assert cid_by(ipfs, "dag/put", data, "Cid", **options) == cid_of(data, Codec.DAG_CBOR)
