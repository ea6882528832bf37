"""The canonical file of a merge, and its CID: each thread merges, hashes and writes whole chunks of it.

A chunk is a leaf of the file's tree, so it has a hash of its own, and is hashed while it is in a core's cache.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.dtypes import DTYPES
from swarm_chain.core.files import replacing, write_at
from swarm_chain.core.merge import releasing
from swarm_chain.core.merge.executing import Block, Executor, Memory
from swarm_chain.core.merge.parallel import Workers
from swarm_chain.core.merge.releasing import Releasing
from swarm_chain.core.merge.scratch import Scratch
from swarm_chain.core.merge.steps import Step, state_spec
from swarm_chain.core.unixfs import CHUNK, File, FileBuilder
from swarm_chain.core.weights import Specs, TensorSpec, blocks, header, raw
from swarm_chain.errors import MergeError

_LEAST_BLOCK = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    """Of a block: what a thread may take for it, its elements, and its bytes in all files together.

    So it is shorter where there are more updates. What is mapped is the system's, but it is not to be much.
    """

    scratch: int
    elements: int
    mapped: int


_BY_NUMPY = _Limits(scratch=10 << 17, elements=1 << 15, mapped=31 << 17)
_DIRECT = _Limits(scratch=0, elements=1 << 17, mapped=6 << 20)
"""Of what compiled code writes where it belongs, and takes nothing for."""


class Layout:
    """Where in a canonical file its header and its tensors are."""

    def __init__(self, specs: Specs) -> None:
        self.header = header(specs)
        *self._starts, self.size = accumulate((spec.size for spec in specs), initial=len(self.header))
        self._specs = specs
        self.places = {spec.name: start for spec, start in zip(specs, self._starts, strict=True)}

    def within(self, start: int, stop: int) -> Iterator[tuple[TensorSpec, int, int]]:
        """The elements of tensors that have bytes in a range of the file: the first, and that after the last."""
        for number in range(max(0, bisect_right(self._starts, start) - 1), len(self._specs)):
            spec, place = self._specs[number], self._starts[number]
            if place >= stop:
                return
            size = DTYPES[spec.dtype].size
            first, last = max(start - place, 0) // size, -(-min(stop - place, spec.size) // size)
            if first < last:
                yield spec, first, last


class StateFile:
    """Writes what a step carries on: several kinds for each tensor, in whatever order."""

    def __init__(self, stream: BinaryIO, specs: Specs) -> None:
        self._stream, self._layout = stream, Layout(specs)
        write_at(stream, self._layout.header, 0)

    @classmethod
    def opened(
        cls, stack: ExitStack, step: Step | None, specs: Specs, out: Path | None, *, sync: bool
    ) -> StateFile | None:
        if step is None:
            return None
        if out is None:
            raise MergeError(f"the step {step.name} carries something on; pass state_out, where to write it")
        return cls(stack.enter_context(replacing(out, sync=sync)), step.specs(specs))

    def put(self, block: Block, memory: Memory) -> None:
        """Writes what is remembered of a block."""
        for kind, values in memory.items():
            place = self._layout.places[state_spec(kind, block.spec).name]
            write_at(self._stream, raw(values), place + block.start * values.dtype.itemsize)


def write_merged(
    stream: BinaryIO, state: StateFile | None, executor: Executor, workers: Workers, block: int | None
) -> File:
    """Writes a merge's result to a new file, and what its step remembers to `state`, `block` elements at a time."""
    layout = Layout(executor.inputs.specs)
    writer = _Writer(stream, state, executor, layout, workers, block)
    builder = FileBuilder()
    starts = range(0, layout.size, CHUNK)
    for start, cid in zip(starts, workers.in_order(writer.write_chunk, starts), strict=True):
        builder.add_known(cid, min(CHUNK, layout.size - start))
    return builder.close()


class _Writer:
    """Merges and writes chunks, each in whatever thread."""

    def __init__(
        self,
        stream: BinaryIO,
        state: StateFile | None,
        executor: Executor,
        layout: Layout,
        workers: Workers,
        block: int | None,
    ) -> None:
        self._stream, self._state, self._executor, self._layout = stream, state, executor, layout
        self._scratch = Scratch()
        self._files = len(executor.inputs.updates) + 1
        self._block = block
        self._by_numpy = _block_size(self._files - 1, executor.element_bytes, _BY_NUMPY)
        self._direct = _block_size(self._files - 1, 0, _DIRECT)
        most, largest = releasing.BY_NUMPY, self._by_numpy
        if executor.is_compiled:
            most, largest = releasing.COMPILED, max(self._by_numpy, self._direct)
        ahead = workers.count * self._files * min(CHUNK, 4 * largest)
        self._releasing = Releasing(executor.inputs.release, most=most, files=self._files, ahead=ahead)

    def write_chunk(self, start: int) -> Cid:
        """Writes the file's bytes from `start` on, a chunk of them or what is left; gives their CID."""
        stop = min(start + CHUNK, self._layout.size)
        chunk = self._scratch.array("chunk", (stop - start,), np.uint8)
        beginning = self._layout.header[start:stop]
        chunk[: len(beginning)] = np.frombuffer(beginning, np.uint8)
        for spec, first, last in self._layout.within(start, stop):
            place = self._layout.places[spec.name] - start
            size = self._block or (self._direct if self._executor.is_direct(spec) else self._by_numpy)
            for at, end in blocks(last - first, size):
                self._merge(Block(spec, first + at, first + end), chunk, place)
        write_at(self._stream, chunk.data, start)
        return cid_of(chunk.data, Codec.RAW)

    def _merge(self, block: Block, chunk: NDArray[np.uint8], place: int) -> None:
        """Puts a block's result where it is in a chunk, if the tensor begins at `place`; its ends may lie outside."""
        dtype = DTYPES[block.spec.dtype]
        start, stop = place + block.start * dtype.size, place + block.stop * dtype.size
        is_inside = start >= 0 and stop <= len(chunk)
        out = chunk[start:stop] if is_inside else np.empty(stop - start, np.uint8)
        memory = self._executor.run(block, out.view(dtype.numpy))
        if not is_inside:
            chunk[max(start, 0) : stop] = out[max(-start, 0) : len(chunk) - start]
        if self._state is not None:
            self._state.put(block, memory)
        self._releasing.read(len(out) * self._files)


def _block_size(count: int, element_bytes: int, limits: _Limits) -> int:
    """Elements of a block, so that what it takes is the same for few updates and for many."""
    most = limits.scratch // element_bytes if element_bytes else limits.elements
    return min(limits.elements, max(_LEAST_BLOCK, min(most, limits.mapped // (4 * count))))
