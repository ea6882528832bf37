"""What is done to several columns at once, as LLVM has it: written out, since compilers use half a register unasked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from llvmlite import binding, ir
from numba import config, njit
from numba.misc.appdirs import AppDirs

from swarm_chain.core.merge import gram, sorting

LANES = 16
"""Columns that are taken at once: of float32, the widest register."""
FLOAT, DOUBLE, INT, SIZE = ir.FloatType(), ir.DoubleType(), ir.IntType(32), ir.IntType(64)

_SOURCES = (*sorted(Path(__file__).parent.glob("*.py")), Path(gram.__file__), Path(sorting.__file__))
"""All that what is compiled follows from."""


def strict(function: Callable[..., Any]) -> Any:
    """Compiled without liberties: what is added stays in its order, and is not fused. Kept on disk."""
    known = config.CACHE_DIR
    config.CACHE_DIR = _KEPT
    try:
        return njit(nogil=True, cache=True)(function)
    finally:
        config.CACHE_DIR = known


def kept_in(sources: Sequence[Path], cache: str) -> Path:
    """The folder for what is compiled from just these sources, in Numba's own, if it was told one.

    Numba looks whether the file of a function is the same, not whether those are that write its instructions.
    """
    beside = sources[0].parent
    digest = sha256(b"".join(sha256(source.read_bytes()).digest() for source in sources)).hexdigest()
    own = beside / "__pycache__" if os.access(beside, os.W_OK) else Path(AppDirs("swarm-chain").user_cache_dir)
    return (Path(cache) if cache else own) / f"compiled-{digest[:16]}"


_KEPT = str(kept_in(_SOURCES, config.CACHE_DIR))


def has_wide_registers() -> bool:
    """Whether code is compiled for 32 registers of 64 bytes, of which other x86 machines have 16 of 32 bytes."""
    asked = config.CPU_FEATURES
    if asked is not None:
        return "+avx512f" in asked.split(",")
    return bool(binding.get_host_cpu_features().get("avx512f"))


def lanes_of(element: ir.Type, lanes: int) -> ir.VectorType:
    """Several numbers."""
    return ir.VectorType(element, lanes)


def same(kind: ir.VectorType, value: float) -> ir.Constant:
    """The same number in every lane."""
    return ir.Constant(kind, [value] * kind.count)


def spread(builder: Any, value: Any, lanes: int) -> Any:
    """A number that is known later in every lane."""
    row = ir.Constant(lanes_of(value.type, lanes), ir.Undefined)
    first = builder.insert_element(row, value, ir.Constant(INT, 0))
    return builder.shuffle_vector(first, row, ir.Constant(lanes_of(INT, lanes), [0] * lanes))


def beyond(builder: Any, address: Any, size: int) -> Any:
    """An address some bytes on."""
    return builder.add(address, ir.Constant(SIZE, size))


def load(builder: Any, address: Any, kind: ir.Type) -> Any:
    """What is at an address, of numbers that lie where numbers of their size may."""
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=_alignment(kind))


def fetch_early(builder: Any, address: Any) -> None:
    """Asks for what is at an address, which is needed soon; what is no address is no error."""
    text, flag = ir.IntType(8).as_pointer(), ir.Constant(INT, 1)
    kind = ir.FunctionType(ir.VoidType(), [text, INT, INT, INT])
    wanted = builder.module.declare_intrinsic("llvm.prefetch", [text], kind)
    builder.call(wanted, [builder.inttoptr(address, text), ir.Constant(INT, 0), ir.Constant(INT, 2), flag])


def store(builder: Any, value: Any, address: Any) -> None:
    """Writes to an address."""
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=_alignment(value.type))


def clamp(builder: Any, values: Any, largest: Any) -> Any:
    """What is beyond the largest number, of either sign, becomes that."""
    most = spread(builder, largest, values.type.count)
    least = builder.fneg(most)
    values = builder.select(builder.fcmp_ordered(">", values, most), most, values)
    return builder.select(builder.fcmp_ordered("<", values, least), least, values)


def put(context: Any, builder: Any, array_type: Any, array: Any, at: Any, values: Any) -> None:
    """Writes float64 to an array from an element on, rounded to what the array holds."""
    data = context.make_array(array_type)(context, builder, array).data
    element = data.type.pointee
    kind = lanes_of(element, values.type.count)
    rounded = values if values.type == kind else builder.fptrunc(values, kind)
    builder.store(rounded, builder.bitcast(builder.gep(data, [at]), kind.as_pointer()), align=_alignment(element))


def _alignment(kind: ir.Type) -> int:
    element = kind.element if isinstance(kind, ir.VectorType) else kind
    return {FLOAT: 4, INT: 4, DOUBLE: 8, SIZE: 8}[element]
