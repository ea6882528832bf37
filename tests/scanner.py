"""Looks for planted values in bytes that left a machine, whatever they are wrapped in."""

from __future__ import annotations

import base64
import re
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

import dag_cbor
import numpy as np
import torch
from multiformats import CID
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.core import unixfs
from swarm_chain.core.cids import Cid, Codec
from tests.marks import SHORTEST, Mark

Numbers = NDArray[np.float64]
NONE: Final[Numbers] = np.array([])

WRAPPINGS: Final = 3
"""How many wrappings inside each other are taken off."""
SAME: Final = 1e-6
"""How far a number may be from a mark, relative to it, to be the mark: about what rounding to float32 does."""

_HEX = re.compile(rb"[0-9a-fA-F]{8,}")
_LONG_HEX = re.compile(rb"[0-9a-f]{20,}|[0-9A-F]{20,}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}")
_BASE32 = re.compile(rb"[a-z2-7]{12,}|[A-Z2-7]{12,}")
_PERCENT = re.compile(rb"(?:[!-$&-~]|%[0-9a-fA-F]{2}){6,}")
_UNICODE = re.compile(rb"\\u([0-9a-fA-F]{4})")
_PACKED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Bytes that somebody else may see, and the numbers in them where their format is known, so precise."""

    name: str
    data: bytes = field(default=b"", repr=False)
    numbers: Numbers = field(default_factory=lambda: NONE, repr=False)
    precision: float = SAME


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A mark that was found, in which form and where."""

    mark: str
    form: str
    source: str


def find(marks: Sequence[Mark], sources: Iterable[Source]) -> list[Finding]:
    """Every mark in every source, once for each source and form."""
    needles = Needles({(mark.name, form): data for mark in marks for form, data in mark.forms.items()})
    found: dict[Finding, None] = {}
    for source in sources:
        forms = chain.from_iterable(map(needles.within, views(source.data)))
        numbers = ((mark, "number") for mark in _equal(marks, source))
        for mark, form in chain(forms, numbers):
            found[Finding(mark=mark, form=form, source=source.name)] = None
    return list(found)


class Needles:
    """Many short byte strings, looked for at once: those are looked for one by one whose first bytes are there."""

    def __init__(self, names: Mapping[tuple[str, str], bytes]) -> None:
        if short := [name for name, data in names.items() if len(data) < SHORTEST]:
            raise ValueError(f"too short to be looked for: {short}")
        self._by_start: dict[int, list[tuple[tuple[str, str], bytes]]] = {}
        for name, data in names.items():
            self._by_start.setdefault(int.from_bytes(data[:SHORTEST], "little"), []).append((name, data))
        self._starts = np.array(sorted(self._by_start), dtype=np.uint32)
        self._pairs = np.zeros(1 << 16, dtype=bool)
        self._pairs[self._starts & 0xFFFF] = True

    def within(self, data: bytes) -> Iterator[tuple[str, str]]:
        """The names of those that the data hold."""
        for start in self._starts_in(data):
            for name, needle in self._by_start[start]:
                if needle in data:
                    yield name

    def _starts_in(self, data: bytes) -> list[int]:
        array = np.frombuffer(data, dtype=np.uint8)
        if len(array) < SHORTEST:
            return []
        pairs = array[:-1] | array[1:].astype(np.uint16) << 8
        places = np.flatnonzero(self._pairs[pairs[:-2]])
        starts = pairs[places] | pairs[places + 2].astype(np.uint32) << 16
        return [int(start) for start in self._starts[np.isin(self._starts, starts)]]


def _equal(marks: Sequence[Mark], source: Source) -> Iterator[str]:
    for mark in marks:
        if mark.number is not None:
            differences = np.abs(source.numbers - mark.number)
            if (differences <= source.precision * abs(mark.number)).any():
                yield mark.name


# ------------------------------------------------------------------------------------------------------------ wrappings


def views(data: bytes, depth: int = WRAPPINGS) -> Iterator[bytes]:
    """The data, and what they hold once hexadecimal digits, base64, base32, JSON, URLs and gzip are taken off."""
    yield data
    if depth:
        for inner in dict.fromkeys(chain(_hex(data), _base64(data), _base32(data), _escaped(data), _unpacked(data))):
            yield from views(inner, depth - 1)


def _runs(pattern: re.Pattern[bytes], data: bytes) -> Iterator[bytes]:
    """What matches, each once; long hexadecimal numbers are nothing else."""
    for run in dict.fromkeys(pattern.findall(data)):
        if pattern is _HEX or not _LONG_HEX.fullmatch(run):
            yield run


def _hex(data: bytes) -> Iterator[bytes]:
    # Digits of something else may stand right before.
    for run in _runs(_HEX, data):
        for skipped in (0, 1):
            digits = run[skipped:]
            yield bytes.fromhex(digits[: len(digits) // 2 * 2].decode())


def _base64(data: bytes) -> Iterator[bytes]:
    for run in _runs(_BASE64, data):
        for skipped in range(4):
            plain = run[skipped:].replace(b"-", b"+").replace(b"_", b"/")
            # One character alone says too little for a byte.
            usable = plain[: len(plain) - (len(plain) % 4 == 1)]
            yield base64.b64decode(usable + b"=" * (-len(usable) % 4))


def _base32(data: bytes) -> Iterator[bytes]:
    for run in _runs(_BASE32, data.replace(b"\n", b"")):
        for skipped in range(8):
            plain = run[skipped:].upper()
            usable = plain[: len(plain) - (len(plain) % 8 in (1, 3, 6))]
            yield base64.b32decode(usable + b"=" * (-len(usable) % 8))


def _escaped(data: bytes) -> Iterator[bytes]:
    if _UNICODE.search(data):
        yield _UNICODE.sub(lambda match: chr(int(match[1], 16)).encode("utf-8", "replace"), data)
    for run in _runs(_PERCENT, data):
        if b"%" in run:
            yield urllib.parse.unquote_to_bytes(run)


def _unpacked(data: bytes) -> Iterator[bytes]:
    for match in _PACKED.finditer(data):
        stream = zlib.decompressobj(wbits=47)
        with suppress(zlib.error):
            unpacked = stream.decompress(memoryview(data)[match.start() :])
            if stream.eof:
                yield unpacked


# --------------------------------------------------------------------------------------------------------------- stores


def sources_in(store: Path, label: str = "store") -> Iterator[Source]:
    """Every block of a local store as it lies there, and decoded by libraries that are not ours."""
    blocks = LocalStore(store, writable=False)
    for cid in sorted(blocks.cids(), key=str):
        data = blocks.get(cid)
        yield Source(name=f"{label}: block {cid}", data=data)
        if cid.codec == Codec.DAG_CBOR:
            yield _document(f"{label}: document {cid}", dag_cbor.decode(data))
        else:
            yield from _tensors(f"{label}: weights {cid}", _file(blocks, cid))


def _file(blocks: LocalStore, cid: Cid) -> bytes:
    return b"".join(unixfs.read(blocks.get, unixfs.find_file(blocks.get, cid, max_bytes=1 << 30)))


def _document(name: str, value: Any) -> Source:
    leaves = list(_leaves(value))
    numbers = np.array([float(leaf) for leaf in leaves if isinstance(leaf, int | float)])
    texts = [str(leaf).encode() for leaf in leaves if not isinstance(leaf, bytes)]
    return Source(name=name, data=b"\n".join([*texts, *_as_text(numbers)]), numbers=numbers)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.keys()
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, CID):
        yield value


def _tensors(name: str, data: bytes) -> Iterator[Source]:
    """Each tensor of a file of weights; nothing for a file that holds none."""
    try:
        tensors = load(data)
    except SafetensorError:
        return
    for label, tensor in tensors.items():
        numbers = tensor.double().flatten().numpy()
        precision = torch.finfo(tensor.dtype).eps if tensor.is_floating_point() else 0.0
        yield Source(
            name=f"{name}, tensor {label}",
            data=b"\n".join(_as_text(numbers)),
            numbers=numbers,
            precision=max(SAME, precision),
        )


def _as_text(numbers: Numbers) -> Iterator[bytes]:
    """Texts that numbers may stand for: their bytes in a row, and a character for each."""
    yield numbers.astype("<f8").tobytes()
    yield numbers.astype(">f8").tobytes()
    with np.errstate(over="ignore"):
        yield numbers.astype(">f4").tobytes()
    characters = np.where((numbers >= 0) & (numbers < 256), np.rint(numbers), 0)
    yield characters.astype(np.uint8).tobytes()
