"""Weights: named tensors as canonical safetensors, so that equal tensors are equal bytes.

The format is safetensors' own (https://github.com/huggingface/safetensors#format), with every choice it leaves made:
names in code-point order, data contiguous in that order, no metadata, a header padded with spaces to eight bytes.
Any safetensors library reads it. Nothing here is ever unpickled.
"""

from __future__ import annotations

import json
import math
import mmap
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core import dagcbor
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.core.dtypes import DTYPES, dtype_name
from swarm_chain.errors import MalformedWeights, NotFinite, ShapeMismatch
from swarm_chain.types import Digest, Parameters

MAX_HEADER = 8 * 1024 * 1024
"""Bytes of the largest header that is parsed: some hundred thousand tensors."""
MAX_DIMENSIONS = 32
_MAX_SHOWN = 80
"""Characters of a name, as its writer chose it, that a message shows."""
_NO_BRACKETS = re.compile(r"[^\[\]{}]+")
_BLOCK = 1 << 18
_ALIGNMENT = 8

Array = NDArray[Any]
Sink = Callable[[bytes | memoryview], object]


@dataclass(frozen=True, slots=True, order=True)
class TensorSpec:
    """What a tensor is, without its numbers. `dtype` is safetensors' name: `F32`, `BF16`, `I64`."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.count * DTYPES[self.dtype].size

    def __str__(self) -> str:
        return f"{_shown(self.name)} {self.dtype}{list(self.shape)}"


Specs = tuple[TensorSpec, ...]


def specs_of(parameters: Parameters) -> Specs:
    """What tensors there are, in canonical order. Raises `MalformedWeights` for a dtype that has no name here."""
    return tuple(TensorSpec(name, dtype_name(array), array.shape) for name, array in sorted(parameters.items()))


def model_digest(specs: Specs) -> Digest:
    """The digest of names, dtypes and shapes: which model weights belong to."""
    described: list[dagcbor.Value] = [[spec.name, spec.dtype, list(spec.shape)] for spec in sorted(specs)]
    return cid_of(dagcbor.encode(described), Codec.DAG_CBOR).digest


def total_size(specs: Specs) -> int:
    """Bytes that weights of these tensors have, header included."""
    return len(header(specs)) + sum(spec.size for spec in specs)


# -------------------------------------------------------------------------------------------------------------- writing


def header(specs: Specs) -> bytes:
    """The one header for these tensors, with its length in front. Raises `MalformedWeights`."""
    entries, position = {}, 0
    for spec in sorted(specs):
        _check_spec(spec)
        offsets = [position, position + spec.size]
        entries[spec.name] = {"dtype": spec.dtype, "shape": list(spec.shape), "data_offsets": offsets}
        position += spec.size
    if len(entries) != len(specs):
        raise MalformedWeights("two tensors have the same name; rename one")
    try:
        text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise MalformedWeights(f"a tensor's name is not Unicode ({error}); rename it") from error
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def write(parameters: Parameters, sink: Sink) -> None:
    """Gives the canonical bytes of tensors to `sink`, tensor by tensor."""
    sink(header(specs_of(parameters)))
    for _, array in sorted(parameters.items()):
        sink(raw(array))


def encode(parameters: Parameters) -> bytes:
    """The canonical bytes of tensors.

    >>> encode({"a": np.zeros(1, np.float32)})[8:-4]
    b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  '
    """
    out = bytearray()
    write(parameters, out.extend)
    return bytes(out)


def save(parameters: Parameters, path: Path) -> None:
    """Writes the canonical bytes of tensors to a file."""
    with path.open("wb") as stream:
        write(parameters, stream.write)


def raw(array: Array) -> memoryview:
    """An array's elements as little-endian bytes."""
    little = np.ascontiguousarray(array, dtype=DTYPES[dtype_name(array)].numpy)
    return little.reshape(-1).view(np.uint8).data


# -------------------------------------------------------------------------------------------------------------- reading


class WeightsFile:
    """Canonical weights in memory or mapped from a file; use in a `with` statement.

    Opening checks everything but the numbers: raises `MalformedWeights` unless these are the canonical bytes of some
    tensors. `array` and `block` give read-only views; a view that outlives the `with` keeps the file mapped.
    """

    def __init__(self, source: Path | bytes) -> None:
        self._map = None if isinstance(source, bytes) else _map(source)
        buffer = source if isinstance(source, bytes) else (self._map or b"")
        self._bytes: NDArray[np.uint8] = np.frombuffer(buffer, np.uint8)
        self.specs, self._start = _read_header(self._bytes)
        self._places = dict(self._layout())
        for spec in self.specs:
            self._check_booleans(spec)

    @property
    def size(self) -> int:
        """Number of bytes, header included."""
        return len(self._bytes)

    def array(self, name: str) -> Array:
        """One tensor."""
        spec, _ = self._places[name]
        return self.block(name, 0, spec.count).reshape(spec.shape)

    def block(self, name: str, start: int, stop: int) -> Array:
        """Elements `start` to `stop` of one tensor, in row-major order."""
        spec, place = self._places[name]
        dtype = DTYPES[spec.dtype]
        return self._bytes[place + start * dtype.size : place + stop * dtype.size].view(dtype.numpy)

    def arrays(self) -> Parameters:
        """All tensors by name, as views."""
        return {spec.name: self.array(spec.name) for spec in self.specs}

    def release(self) -> None:
        """Lets the system take back the memory of what was read so far."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing would fail while a view is held; the mapping ends with the last of them instead.
        self._bytes = np.empty(0, np.uint8)
        self._map = None

    def _layout(self) -> Iterator[tuple[str, tuple[TensorSpec, int]]]:
        place = self._start
        for spec in self.specs:
            yield spec.name, (spec, place)
            place += spec.size

    def _check_booleans(self, spec: TensorSpec) -> None:
        if spec.dtype == "BOOL":
            for start, stop in blocks(spec.count):
                if (self.block(spec.name, start, stop).view(np.uint8) > 1).any():
                    raise MalformedWeights(f"a boolean of {spec} is neither 0 nor 1; ask for canonical weights")


def decode(data: bytes) -> Parameters:
    """The tensors that canonical bytes hold. Raises `MalformedWeights`."""
    with WeightsFile(data) as weights:
        return weights.arrays()


def load(path: Path) -> Parameters:
    """The tensors of a file, copied into memory. Raises `MalformedWeights`."""
    with WeightsFile(path) as weights:
        return {spec.name: weights.array(spec.name).copy() for spec in weights.specs}


# ------------------------------------------------------------------------------------------------------------- checking


def check_shapes(expected: Specs, found: Specs) -> None:
    """Returns if both are the same tensors; raises `ShapeMismatch` naming each that is not."""
    if wrong := shape_differences(expected, found):
        shown = "; ".join(wrong[:20]) + (f"; and {len(wrong) - 20} more" if len(wrong) > 20 else "")
        raise ShapeMismatch(f"tensors are not the task's: {shown}. Use weights of the swarm's model")


def shape_differences(expected: Specs, found: Specs) -> list[str]:
    """What is different about each tensor that is not the same in both, by their names."""
    ours, theirs = {spec.name: spec for spec in expected}, {spec.name: spec for spec in found}
    return [
        f"{theirs.get(name, 'missing')} instead of {ours[name]}" if name in ours else f"{theirs[name]} is not expected"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def check_finite(weights: WeightsFile) -> None:
    """Returns if no number is NaN or infinite; raises `NotFinite` naming the first tensor that has one."""
    for spec in weights.specs:
        for start, stop in blocks(spec.count):
            if not is_finite(weights.block(spec.name, start, stop), spec.dtype):
                raise NotFinite(f"{spec} holds NaN or infinity; lower the learning rate or look at the data")
            weights.release()


def is_finite(array: Array, dtype: str) -> bool:
    """Whether no element is NaN or infinite; true for integers and booleans."""
    mask = DTYPES[dtype].not_finite
    if mask is None:
        return True
    bits = array.view(DTYPES[dtype].bits)
    return not bool(((bits & mask) == mask).any())


def blocks(count: int, size: int = _BLOCK) -> Iterator[tuple[int, int]]:
    """The ranges that divide `count` elements into blocks, in order."""
    for start in range(0, count, size):
        yield start, min(start + size, count)


def _map(path: Path) -> mmap.mmap | None:
    with path.open("rb") as stream:
        # An empty file cannot be mapped.
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else None


def _read_header(data: NDArray[np.uint8]) -> tuple[Specs, int]:
    length = int.from_bytes(data[:8].tobytes(), "little")
    if len(data) < 8 or length > min(MAX_HEADER, len(data) - 8):
        raise MalformedWeights(f"no safetensors: {len(data)} bytes cannot hold their header; ask for other weights")
    found = data[: 8 + length].tobytes()
    specs = _parse(found[8:])
    # Whatever is written twice, out of order, or in other words shows here.
    if header(specs) != found:
        raise MalformedWeights("the safetensors header is not canonical; save with swarm_chain.core.weights")
    if len(data) != len(found) + sum(spec.size for spec in specs):
        raise MalformedWeights(f"{len(data)} bytes are not what the safetensors header says; ask for other weights")
    return specs, len(found)


def _parse(data: bytes) -> Specs:
    try:
        text = data.decode()
        _check_nesting(text)
        entries = json.loads(text)
        specs = [TensorSpec(name, str(entry["dtype"]), tuple(entry["shape"])) for name, entry in entries.items()]
        return tuple(sorted(specs))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MalformedWeights(f"no safetensors header ({type(error).__name__}); ask for other weights") from error


def _check_nesting(text: str) -> None:
    """Returns if JSON is at most a map of maps of lists, for as far as it is JSON; raises `MalformedWeights`.

    The parser calls itself for every level: a header that is nested deep could end the interpreter.
    """
    # Escaped characters go in pairs, from the left; then every other part lies between the quotes of a string.
    parts = text.replace("\\\\", "").replace('\\"', "").split('"')
    brackets = _NO_BRACKETS.sub("", "".join(parts[::2]))
    if brackets.replace("[]", "").replace("{}", "") not in ("", "{}"):
        raise MalformedWeights("a safetensors header is a map of maps of lists, and no deeper; ask for other weights")


def _check_spec(spec: TensorSpec) -> None:
    if spec.dtype not in DTYPES:
        raise MalformedWeights(
            f"dtype {_shown(spec.dtype)} of {_shown(spec.name)} is none of {', '.join(DTYPES)}; convert it"
        )
    if spec.name == "__metadata__":
        raise MalformedWeights("a tensor cannot be named __metadata__; rename it")
    if len(spec.shape) > MAX_DIMENSIONS or not all(type(n) is int and n >= 0 for n in spec.shape):
        raise MalformedWeights(f"{_shown(spec.name)} has no shape of at most {MAX_DIMENSIONS} dimensions; reshape it")
    # NumPy refuses what cannot be indexed, even where another dimension is zero.
    if math.prod(max(n, 1) for n in spec.shape) * DTYPES[spec.dtype].size >= 1 << 62:
        raise MalformedWeights(f"{_shown(spec.name)} is larger than any memory; reshape it")


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]!r}…"
