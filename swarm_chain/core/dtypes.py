"""The number formats that weights may have, and exact ways from and to float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.errors import MalformedWeights

Float64 = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FloatFormat:
    """A binary floating-point format. `mantissa` counts the bits after the point, `lowest` is the least exponent."""

    mantissa: int
    lowest: int
    largest: float


@dataclass(frozen=True, kw_only=True)
class Dtype:
    """A tensor's number format. `not_finite` are the bits that are all set in NaN and infinity, and only there."""

    name: str
    size: int
    numpy_name: str
    float_format: FloatFormat | None = None
    not_finite: int | None = None

    @property
    def is_float(self) -> bool:
        return self.float_format is not None

    @property
    def working(self) -> np.dtype[Any]:
        """The native format that holds all of its numbers: float32, or float64 for itself."""
        return np.dtype(np.float64 if self.size == 8 else np.float32)

    @property
    def bits(self) -> np.dtype[Any]:
        """The unsigned integers of the same size."""
        return np.dtype(f"<u{self.size}")

    @cached_property
    def numpy(self) -> np.dtype[Any]:
        """NumPy's dtype, little-endian."""
        if self.name.startswith(("BF", "F8")):
            import ml_dtypes

            small: np.dtype[Any] = np.dtype(getattr(ml_dtypes, self.numpy_name))
            return small
        return np.dtype(self.numpy_name).newbyteorder("<")


def _float(name: str, numpy_name: str, size: int, mantissa: int, lowest: int, largest: float, mask: int) -> Dtype:
    known = FloatFormat(mantissa=mantissa, lowest=lowest, largest=largest)
    return Dtype(name=name, size=size, numpy_name=numpy_name, float_format=known, not_finite=mask)


def _whole(name: str, numpy_name: str, size: int) -> Dtype:
    return Dtype(name=name, size=size, numpy_name=numpy_name)


DTYPES: Mapping[str, Dtype] = {
    dtype.name: dtype
    for dtype in (
        _whole("BOOL", "bool", 1),
        _whole("U8", "uint8", 1),
        _whole("I8", "int8", 1),
        _whole("U16", "uint16", 2),
        _whole("I16", "int16", 2),
        _whole("U32", "uint32", 4),
        _whole("I32", "int32", 4),
        _whole("U64", "uint64", 8),
        _whole("I64", "int64", 8),
        _float("F8_E4M3", "float8_e4m3fn", 1, 3, -6, 448.0, 0x7F),
        _float("F8_E5M2", "float8_e5m2", 1, 2, -14, 57344.0, 0x7C),
        _float("F16", "float16", 2, 10, -14, 65504.0, 0x7C00),
        _float("BF16", "bfloat16", 2, 7, -126, float.fromhex("0x1.fep127"), 0x7F80),
        _float("F32", "float32", 4, 23, -126, float.fromhex("0x1.fffffep127"), 0x7F800000),
        _float("F64", "float64", 8, 52, -1022, float.fromhex("0x1.fffffffffffffp1023"), 0x7FF0000000000000),
    )
}
_NAMES = {dtype.numpy_name: dtype.name for dtype in DTYPES.values()}


def dtype_name(array: NDArray[Any]) -> str:
    """Safetensors' name of an array's dtype. Raises `MalformedWeights` for one that weights cannot have."""
    name = _NAMES.get(array.dtype.name)
    if name is None:
        raise MalformedWeights(
            f"tensors of dtype {array.dtype} cannot be stored; convert to one of {', '.join(_NAMES)}"
        )
    return name


def to_float64(array: NDArray[Any], out: Float64) -> None:
    """Writes a float array's exact values to `out`."""
    # Casting assignment: every format here is a subset of float64.
    out[...] = array


def from_float64(values: Float64, dtype: Dtype) -> NDArray[Any]:
    """The nearest numbers of a float format, ties to even; beyond its range, its largest finite number."""
    known = dtype.float_format
    if known is None:
        raise TypeError(f"{dtype.name} is no float format")
    # Looking costs less than clamping, which is hardly ever needed.
    if values.size and (values.min() < -known.largest or values.max() > known.largest):
        values = np.clip(values, -known.largest, known.largest)
    if known.mantissa < 23:
        values = _round(values, known)
    return values.astype(dtype.numpy)


def _round(values: Float64, known: FloatFormat) -> Float64:
    # NumPy and ml_dtypes reach the small formats by way of float32: twice rounded. Here the last place is scaled to
    # one, by a power of two and so exactly, rounded there, and scaled back; the cast that follows has nothing to round.
    exponent = (values.view(np.int64) >> 52 & 0x7FF) - 1023
    place = np.maximum(exponent, known.lowest) - known.mantissa
    unit = ((place + 1023) << 52).view(np.float64)
    rounded: Float64 = np.rint(values / unit) * unit
    return rounded
