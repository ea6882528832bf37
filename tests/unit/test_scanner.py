"""The scanner of `tests/e2e/test_data_stay_home.py` finds what it looks for, in every form and wrapping."""

from __future__ import annotations

import base64
import gzip
import json
import struct
import urllib.parse
import zlib
from collections.abc import Callable
from pathlib import Path

import dag_cbor
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.core.unixfs import import_bytes
from tests import marks
from tests.scanner import Source, find, sources_in

DOSE, PATIENT, NAME, KEY = 7319.418273645, 7218839640113357, "Zyxomma Pétiolatum", bytes(range(200, 232))
MARKS = [
    marks.number("dose", DOSE),
    marks.number("patient", PATIENT),
    marks.text("name", NAME),
    marks.secret("key", KEY),
]

FORMS: dict[str, tuple[str, bytes]] = {
    "float32": ("dose", struct.pack("<f", DOSE)),
    "float32, big-endian": ("dose", struct.pack(">f", DOSE)),
    "float64": ("dose", struct.pack("<d", DOSE)),
    "float64, big-endian": ("dose", struct.pack(">d", DOSE)),
    "float32 in a float64": ("dose", np.float64(np.float32(DOSE)).tobytes()),
    "decimal": ("dose", b"dose=7319.418273645;"),
    "decimal, rounded": ("dose", b"dose 7319.42"),
    "decimal, cut": ("dose", b"dose 7319.41"),
    "JSON": ("dose", json.dumps({"rows": [[1, DOSE]]}).encode()),
    "int64": ("patient", struct.pack("<q", PATIENT)),
    "int64, big-endian": ("patient", struct.pack(">q", PATIENT)),
    "int as float64": ("patient", struct.pack("<d", PATIENT)),
    "int as decimal": ("patient", str(PATIENT).encode()),
    "int with commas": ("patient", f"{PATIENT:,}".encode()),
    "int as hexadecimal number": ("patient", hex(PATIENT).encode()),
    "int in CBOR": ("patient", dag_cbor.encode({"n": PATIENT})),
    "float in CBOR": ("dose", dag_cbor.encode({"n": DOSE})),
    "UTF-8": ("name", NAME.encode()),
    "UTF-16": ("name", NAME.encode("utf-16-le")),
    "text in JSON": ("name", json.dumps([NAME]).encode()),
    "text in a URL": ("name", urllib.parse.quote(NAME).encode()),
    "text reversed": ("name", NAME.encode()[::-1]),
    "six bytes of a text": ("name", NAME.encode()[3:9]),
    "key": ("key", KEY),
}
WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: data,
    "hexadecimal": lambda data: b"0x" + data.hex().encode(),
    "hexadecimal, upper case": lambda data: data.hex().upper().encode(),
    "hexadecimal after a digit": lambda data: b"a" + data.hex().encode(),
    "base64": lambda data: base64.b64encode(data),
    "base64 for URLs, no padding": lambda data: base64.urlsafe_b64encode(data).rstrip(b"="),
    "base64 after a letter": lambda data: b"k" + base64.b64encode(data),
    "base32": lambda data: base64.b32encode(data),
    "base32, lower case": lambda data: b"swarm1_" + base64.b32encode(data).lower().rstrip(b"="),
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "base64 in hexadecimal": lambda data: base64.b64encode(data).hex().encode(),
    "gzip in base64 in JSON": lambda data: json.dumps(base64.b64encode(gzip.compress(data)).decode()).encode(),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("form", FORMS)
def test_find__a_mark_in_any_form_and_wrapping__is_found(form: str, wrapping: str) -> None:
    mark, planted = FORMS[form]
    noise = np.random.default_rng(1)
    for before in range(6):
        data = noise.bytes(before) + planted + noise.bytes(9)
        framed = b'{"field": "' + WRAPPINGS[wrapping](data) + b'"}'
        found = find(MARKS, [Source(name="here", data=framed)])
        assert {(one.mark, one.source) for one in found} == {(mark, "here")}, before


def test_find__bytes_without_a_mark__finds_none() -> None:
    noise = np.random.default_rng(2).bytes(40_000)
    assert find(MARKS, [Source(name=name, data=wrap(noise)) for name, wrap in WRAPPINGS.items()]) == []


def test_find__a_form_too_short_to_mean_anything__is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        find([marks.secret("pin", b"123")], [])
    with pytest.raises(ValueError, match="too short"):
        marks.text("name", "Ana")


# --------------------------------------------------------------------------------------------------------------- stores


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def put_document(store: LocalStore, document: dag_cbor.IPLDKind) -> None:
    data = dag_cbor.encode(document)
    store.put(cid_of(data, Codec.DAG_CBOR), data)


def found_in(store: LocalStore, tmp_path: Path) -> set[tuple[str, str]]:
    return {
        (one.mark, one.source.rpartition(", ")[2].split(" ")[0]) for one in find(MARKS, sources_in(tmp_path / "store"))
    }


@pytest.mark.parametrize(
    ("dtype", "size"),
    [(np.float64, 9), (np.float32, 9), (np.float32, 150_000), (np.float16, 9), (ml_dtypes.bfloat16, 9)],
)
def test_sources_in__a_mark_among_the_numbers_of_a_tensor__is_found(
    store: LocalStore, tmp_path: Path, dtype: type, size: int
) -> None:
    tensor = np.random.default_rng(3).normal(size=(size, 2)).astype(dtype)
    tensor[size // 2, 1] = DOSE
    import_bytes(save({"body": np.zeros(3, np.float32), "head": tensor}), store.put)
    assert ("dose", "tensor") in found_in(store, tmp_path)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_sources_in__a_text_as_a_tensor_of_characters__is_found(store: LocalStore, tmp_path: Path, dtype: type) -> None:
    import_bytes(save({"head": np.frombuffer(NAME.encode(), np.uint8).astype(dtype)}), store.put)
    assert ("name", "tensor") in found_in(store, tmp_path)


def test_sources_in__a_text_in_the_bits_of_a_metric__is_found(store: LocalStore, tmp_path: Path) -> None:
    (bits,) = struct.unpack("<d", NAME.encode()[:8])
    put_document(store, {"type": "an update", "metrics": {"loss": 0.25, "other": bits}})
    assert "name" in {mark for mark, _ in found_in(store, tmp_path)}


def test_sources_in__a_mark_in_a_document__is_found_as_name_and_as_number(store: LocalStore, tmp_path: Path) -> None:
    put_document(store, {f"loss of {NAME}": float(np.float32(DOSE)), "count": PATIENT, "list": [{"deep": "x"}]})
    assert {mark for mark, _ in found_in(store, tmp_path)} == {"name", "dose", "patient"}


def test_sources_in__honest_blocks__hold_no_mark(store: LocalStore, tmp_path: Path) -> None:
    put_document(store, {"type": "an update", "metrics": {"loss": 0.25}, "node": b"\x01" * 20, "samples": 50})
    import_bytes(save({"head": np.random.default_rng(4).normal(size=1000)}), store.put)
    import_bytes(b"class MyTask: ...", store.put)
    assert found_in(store, tmp_path) == set()
