"""Weights: the same tensors are the same bytes, and other bytes are none."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from swarm_chain.core import weights
from swarm_chain.core.dtypes import DTYPES, from_float64, to_float64
from swarm_chain.core.weights import (
    TensorSpec,
    WeightsFile,
    check_finite,
    check_shapes,
    decode,
    encode,
    header,
    load,
    model_digest,
    save,
    specs_of,
    total_size,
)
from swarm_chain.errors import MalformedWeights, NotFinite, ShapeMismatch

Array = np.ndarray[Any, Any]
VECTORS = json.loads((Path(__file__).parents[1] / "vectors/weights.json").read_text())
FLOATS = [name for name, dtype in DTYPES.items() if dtype.is_float]

EVERY_DTYPE: dict[str, Array] = {
    f"{name.lower()}.{shape}": np.ones(shape, dtype.numpy)
    for name, dtype in DTYPES.items()
    for shape in ((), (0,), (3,), (2, 0, 2), (1, 2, 3))
}

dtypes = st.sampled_from([dtype.numpy for name, dtype in DTYPES.items() if not name.startswith(("BF", "F8"))])
arrays = dtypes.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
parameters = st.dictionaries(st.text(max_size=8), arrays, max_size=5)


def same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def all_same(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)


# -------------------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_encode__golden_tensors__gives_golden_bytes(vector: dict[str, Any]) -> None:
    tensors = {
        name: np.frombuffer(bytes.fromhex(tensor["hex"]), DTYPES[tensor["dtype"]].numpy).reshape(tensor["shape"])
        for name, tensor in vector["tensors"].items()
    }
    assert encode(tensors).hex() == vector["bytes"]
    assert model_digest(specs_of(tensors)).hex() == vector["model"]
    assert all_same(decode(bytes.fromhex(vector["bytes"])), tensors)


@settings(max_examples=60, deadline=None)
@given(parameters)
def test_encode__any_tensors__are_read_again(tensors: dict[str, Array]) -> None:
    data = encode(tensors)
    assert all_same(decode(data), tensors)
    assert len(data) == total_size(specs_of(tensors))
    assert encode(dict(reversed(tensors.items()))) == data


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=8).filter(lambda name: name != "__metadata__"), arrays, max_size=5))
def test_encode__any_tensors__are_read_by_safetensors(tensors: dict[str, Array]) -> None:
    if not tensors:
        return
    assert all_same(safetensors.numpy.load(encode(tensors)), tensors)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(max_size=8), hnp.arrays(np.float32, (2, 3)), min_size=1, max_size=5))
def test_encode__tensors_of_one_dtype__gives_the_librarys_bytes(tensors: dict[str, Array]) -> None:
    assert encode(tensors) == safetensors.numpy.save(tensors)


def test_encode__every_dtype_and_shape__is_read_by_torch(tmp_path: Path) -> None:
    save(EVERY_DTYPE, tmp_path / "weights")
    read = safetensors.torch.load_file(tmp_path / "weights")
    for name, array in EVERY_DTYPE.items():
        assert tuple(read[name].shape) == array.shape
        assert bool((read[name].to(torch.float32) == 1).all())
    assert read["bf16.(3,)"].dtype is torch.bfloat16


def test_encode__arrays_in_other_layouts__gives_the_same_bytes() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    expected = encode({"a": array})
    assert encode({"a": np.asfortranarray(array)}) == expected
    assert encode({"a": array.astype(">f4")}) == expected
    assert encode({"a": np.repeat(array, 2, axis=1)[:, ::2]}) == expected


def test_encode__names__are_ordered_by_code_point() -> None:
    names = ["b", "a", "B", "a.b", "a_b", "ä", "\U0001f600", "\uffee", ""]
    data = encode({name: np.zeros(1, np.uint8) for name in names})
    length = int.from_bytes(data[:8], "little")
    assert list(json.loads(data[8 : 8 + length])) == sorted(names, key=str.encode)


@pytest.mark.parametrize("dtype", [np.complex64, object, "U3", "datetime64[s]", np.longdouble])
def test_encode__a_dtype_without_name__raises_malformed_weights(dtype: Any) -> None:
    with pytest.raises(MalformedWeights, match="convert"):
        encode({"a": np.zeros(1, dtype)})


@pytest.mark.parametrize("name", ["__metadata__", "lone \ud800"])
def test_encode__a_name_that_cannot_be__raises_malformed_weights(name: str) -> None:
    with pytest.raises(MalformedWeights, match="rename"):
        encode({name: np.zeros(1)})


# -------------------------------------------------------------------------------------------------------------- reading


def test_load__a_file__gives_arrays_of_their_own(tmp_path: Path) -> None:
    save(EVERY_DTYPE, tmp_path / "weights")
    read = load(tmp_path / "weights")
    assert all_same(read, EVERY_DTYPE)
    assert all(array.flags.writeable for array in read.values())


def test_weights_file__a_mapped_file__gives_views_that_nobody_can_write(tmp_path: Path) -> None:
    save({"a": np.arange(10.0), "flag": np.array([True])}, tmp_path / "weights")
    with WeightsFile(tmp_path / "weights") as mapped:
        assert mapped.block("a", 2, 5).tolist() == [2.0, 3.0, 4.0]
        mapped.release()
        view = mapped.array("a")
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1
    assert view[9] == 9


def with_header(text: str | bytes, data: bytes = b"", *, pad: bool = True) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    raw += b" " * (-len(raw) % 8 if pad else 0)
    return len(raw).to_bytes(8, "little") + raw + data


ONE = '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
NOT_WEIGHTS: dict[str, bytes] = {
    "nothing": b"",
    "seven bytes": bytes(7),
    "no header": bytes(8),
    "header longer than the file": (1 << 40).to_bytes(8, "little") + b"{}      ",
    "header of all bits": b"\xff" * 8 + b"{}      ",
    "header too long to parse": (weights.MAX_HEADER + 8).to_bytes(8, "little") + b" " * (weights.MAX_HEADER + 16),
    "not JSON": with_header("{"),
    "not UTF-8": with_header(b"\xff\xfe"),
    "a list": with_header("[]"),
    "lists a million deep": with_header("[" * 1_000_000),
    "maps a million deep": with_header('{"a":' * 1_000_000),
    "a list of lists as shape": with_header(ONE.replace("[2]", "[[2]]"), b"ab"),
    "a map as shape": with_header(ONE.replace("[2]", '{"a":2}'), b"ab"),
    "maps in a list": with_header('{"a":[{}]}'),
    "a closed map and another": with_header("{}{}"),
    "in UTF-16": with_header(ONE.encode("utf-16-le"), b"ab"),
    "not padded": with_header(ONE + " ", b"ab", pad=False),
    "padded too much": with_header(ONE + " " * 16, b"ab"),
    "padded with zeros": with_header(ONE.encode() + b"\0" * (-len(ONE) % 8), b"ab"),
    "padded in front": with_header(" " * (-len(ONE) % 8) + ONE, b"ab"),
    "spaces inside": with_header(ONE.replace(":", ": "), b"ab"),
    "a byte too many": with_header(ONE, b"abc"),
    "a byte too few": with_header(ONE, b"a"),
    "with metadata": with_header('{"__metadata__":{"a":"b"},' + ONE[1:], b"ab"),
    "metadata as tensor": with_header(ONE.replace('"a"', '"__metadata__"'), b"ab"),
    "a key twice": with_header(ONE[:-1] + "," + ONE[1:], b"ab"),
    "keys in another order": with_header('{"a":{"shape":[2],"dtype":"U8","data_offsets":[0,2]}}', b"ab"),
    "a key more": with_header('{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"x":1}}', b"ab"),
    "no dtype": with_header('{"a":{"shape":[2],"data_offsets":[0,2]}}', b"ab"),
    "an unknown dtype": with_header(ONE.replace("U8", "C64"), b"ab"),
    "dtype is a list": with_header(ONE.replace('"U8"', "[]"), b"ab"),
    "shape is a number": with_header(ONE.replace("[2]", "2"), b"ab"),
    "shape is text": with_header(ONE.replace("[2]", '"2"'), b"ab"),
    "shape of floats": with_header(ONE.replace("[2]", "[2.0]"), b"ab"),
    "shape of booleans": with_header(ONE.replace("[2]", "[true,2]"), b"ab"),
    "shape below zero": with_header(ONE.replace("[2]", "[-1,-2]"), b"ab"),
    "shape of another size": with_header(ONE.replace("[2]", "[3]"), b"ab"),
    "shape larger than memory": with_header(ONE.replace("[2]", "[0,9223372036854775807,9223372036854775807]"), b"ab"),
    "too many dimensions": with_header(ONE.replace("[2]", "[" + "1," * 32 + "2]"), b"ab"),
    "offsets with a gap": with_header(ONE.replace("[0,2]", "[1,3]"), b"xab"),
    "offsets swapped": with_header(ONE.replace("[0,2]", "[2,0]"), b"ab"),
    "names out of order": with_header(
        '{"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        b"ab",
    ),
    "data out of order": with_header(
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b"ab",
    ),
    "overlapping data": with_header(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}',
        b"ab",
    ),
    "an escaped name": with_header(ONE.replace('"a"', '"\\u0061"'), b"ab"),
    "a surrogate as name": with_header(ONE.replace('"a"', '"\\ud800"'), b"ab"),
    "a number of many digits": with_header(ONE.replace("[2]", "[" + "9" * 5000 + "]"), b"ab"),
    "a boolean of two": with_header(ONE.replace("U8", "BOOL"), b"\x01\x02"),
    "a pickle": b"\x80\x04\x95" + bytes(100),
}


@pytest.mark.parametrize("data", NOT_WEIGHTS.values(), ids=NOT_WEIGHTS)
def test_read__bytes_that_are_not_canonical__raises_malformed_weights(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(MalformedWeights):
        decode(data)
    (tmp_path / "weights").write_bytes(data)
    with pytest.raises(MalformedWeights):
        load(tmp_path / "weights")


HOSTILE = r"""
import sys
from swarm_chain.core.weights import decode
from swarm_chain.errors import MalformedWeights

sys.setrecursionlimit(10**6)
depth = 100_000
entry = '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
for raw in (
    "[" * depth,
    "[" * depth + "]" * depth,
    '{"a":' * depth,
    '{"a":' * depth + "1" + "}" * depth,
    '{"a":{"dtype":"U8","shape":' + "[" * depth + "]" * depth + "}}",
    entry[:-2] + ',"x":' + '{"a":' * depth + "1" + "}" * depth + "}}",
    # A string that ends later than it seems to, and one that ends sooner.
    r'{"\"":1,"":' + "[" * depth + "]" * depth + ',"":1}',
    r'{"\\":' + "[" * depth + "]" * depth + r',"\\":1}',
    # Half of U+2261 is a quote to who reads bytes: only a parser that guesses the encoding would see the lists.
    ('["\u2261",' + "[" * depth + "]" * depth + ',"\u2261"]').encode("utf-16-le"),
    ("[" * depth).encode("utf-16-be"),
    ("[" * depth).encode("utf-32-le"),
):
    raw = raw if isinstance(raw, bytes) else raw.encode()
    raw += b" " * (-len(raw) % 8)
    try:
        decode(len(raw).to_bytes(8, "little") + raw + b"ab")
    except MalformedWeights:
        print("refused")
"""


def test_read__a_deep_header_where_python_may_recurse_at_will__is_refused_and_ends_nothing() -> None:
    ran = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr, ran.stdout.split()) == (0, "", ["refused"] * 11)


@pytest.mark.parametrize("text", ["[" * 8_000_000, "[]" * 4_000_000, '{"' * 4_000_000, '\\"' * 4_000_000])
def test_read__the_longest_header_of_brackets__is_refused_in_linear_time(text: str) -> None:
    before = time.process_time()
    with pytest.raises(MalformedWeights):
        decode(with_header(text))
    assert time.process_time() - before < 5


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.sampled_from('[]{}"\\:a'), min_size=1), unique=True, max_size=4))
def test_read__names_full_of_quotes_and_brackets__are_names(names: list[str]) -> None:
    tensors = {name: np.zeros((1, 2), np.float32) for name in names}
    assert all_same(decode(encode(tensors)), tensors)


def test_read__the_header_the_others_are_made_from__is_canonical() -> None:
    assert decode(with_header(ONE, b"ab"))["a"].tolist() == [97, 98]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_read__damaged_bytes__are_refused_or_canonical(data: st.DataObject) -> None:
    damaged = bytearray(encode({"a": np.array([True, False]), "b": np.float32([1, 2])}))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        tensors = decode(bytes(damaged))
    except MalformedWeights:
        return
    assert encode(tensors) == damaged


# ------------------------------------------------------------------------------------------------------------- checking


def test_model_digest__numbers_differ__is_the_same() -> None:
    one, other = {"a": np.zeros((2, 3))}, {"a": np.ones((2, 3))}
    assert model_digest(specs_of(one)) == model_digest(specs_of(other))


@pytest.mark.parametrize(
    "other", [{"a": np.zeros((3, 2))}, {"b": np.zeros((2, 3))}, {"a": np.zeros((2, 3), np.float32)}, {}]
)
def test_model_digest__name_shape_or_dtype_differs__differs(other: dict[str, Array]) -> None:
    assert model_digest(specs_of({"a": np.zeros((2, 3))})) != model_digest(specs_of(other))


def test_check_shapes__the_same_tensors__passes() -> None:
    check_shapes(specs_of(EVERY_DTYPE), specs_of(dict(reversed(EVERY_DTYPE.items()))))


def test_check_shapes__several_differ__names_each() -> None:
    expected = (TensorSpec("a", "F32", (2,)), TensorSpec("b", "F32", (2,)), TensorSpec("c", "F32", ()))
    found = (TensorSpec("a", "F16", (2,)), TensorSpec("b", "F32", (3,)), TensorSpec("d", "I64", ()))
    with pytest.raises(ShapeMismatch) as raised:
        check_shapes(expected, found)
    for part in (
        "'a' F16[2] instead of 'a' F32[2]",
        "'b' F32[3] instead",
        "missing instead of 'c'",
        "'d' I64[] is not expected",
    ):
        assert part in str(raised.value)


def test_check_shapes__hundreds_differ__stays_readable() -> None:
    found = tuple(TensorSpec(f"t{number}", "F32", ()) for number in range(500))
    with pytest.raises(ShapeMismatch, match="and 480 more") as raised:
        check_shapes((), found)
    assert len(str(raised.value)) < 2000


LONG = "x" * 7_000_000


def test_check_shapes__a_name_of_megabytes__is_shown_by_its_start() -> None:
    expected = specs_of({"a": np.zeros(1)})
    with WeightsFile(encode({LONG: np.zeros(1)})) as file, pytest.raises(ShapeMismatch, match="x'…") as raised:
        check_shapes(expected, file.specs)
    assert len(str(raised.value)) < 300


def test_check_finite__a_name_of_megabytes__is_shown_by_its_start() -> None:
    with (
        WeightsFile(encode({LONG: np.full(1, np.nan, np.float32)})) as file,
        pytest.raises(NotFinite, match="x'…") as raised,
    ):
        check_finite(file)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        ONE.replace("a", LONG, 1).replace("U8", "C64"),
        ONE.replace("U8", LONG),
        ONE.replace("a", LONG, 1).replace("[2]", "[-2]"),
        ONE.replace("a", LONG, 1).replace("[2]", "[9223372036854775807]"),
        ONE.replace("a", LONG, 1).replace("U8", "BOOL"),
    ],
    ids=["dtype of a long name", "long dtype", "below zero", "too large", "no boolean"],
)
def test_read__a_name_of_megabytes__is_shown_by_its_start(text: str) -> None:
    with pytest.raises(MalformedWeights, match="x'…") as raised:
        decode(with_header(text, b"\x02\x02"))
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", FLOATS)
def test_check_finite__one_bad_number__names_its_tensor(name: str, bad: float) -> None:
    if name == "F8_E4M3" and np.isinf(bad):
        bad = np.nan  # It has no infinity.
    with np.errstate(invalid="ignore"):
        array = np.full(1000, 1.0).astype(DTYPES[name].numpy)
        array[777] = bad
    with WeightsFile(encode({"good": np.ones(3), "bad": array})) as file, pytest.raises(NotFinite, match="'bad'"):
        check_finite(file)


@pytest.mark.parametrize("name", FLOATS)
def test_check_finite__the_largest_numbers_and_every_integer__pass(name: str) -> None:
    largest = from_float64(np.array([np.inf, -np.inf, 0.0]), DTYPES[name])
    integers = {f"i{dtype}": np.full(3, -1).astype(dtype) for dtype in ("i1", "u1", "i8", "u8", "u2", "u4")}
    with WeightsFile(encode({"largest": largest, **integers})) as file:
        check_finite(file)


# ------------------------------------------------------------------------------------------------------------- rounding


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False), st.sampled_from(FLOATS))
def test_from_float64__any_number__is_a_nearest_one(value: float, name: str) -> None:
    dtype = DTYPES[name]
    rounded = from_float64(np.array([value]), dtype)
    bits = rounded.view(dtype.bits)
    neighbours = np.array(
        [int(bits[0]) + step for step in (-1, 0, 1) if 0 <= int(bits[0]) + step < 1 << 8 * dtype.size]
    )
    candidates = neighbours.astype(dtype.bits).view(dtype.numpy)
    finite = candidates[np.isfinite(candidates.astype(np.float64))].astype(np.float64)
    assert dtype.float_format is not None
    exact = Fraction(max(min(value, dtype.float_format.largest), -dtype.float_format.largest))
    best = min(abs(Fraction(float(one)) - exact) for one in finite)
    assert abs(Fraction(float(rounded[0])) - exact) == best
    assert np.signbit(rounded[0]) == np.signbit(value)


@pytest.mark.parametrize("name", FLOATS)
def test_from_float64__every_number_of_a_format__is_itself(name: str) -> None:
    dtype = DTYPES[name]
    rng = np.random.default_rng(1)
    count = min(1 << 8 * dtype.size, 1 << 16)
    bits = (np.arange(count) if dtype.size < 4 else rng.integers(0, 1 << 63, count, np.uint64)).astype(dtype.bits)
    array = bits.view(dtype.numpy)
    with np.errstate(invalid="ignore"):
        array = array[np.isfinite(array.astype(np.float64))]
    wide = np.empty(len(array))
    to_float64(array, wide)
    assert same(from_float64(wide, dtype), array)


@pytest.mark.parametrize("name", ["F16", "BF16", "F8_E4M3", "F8_E5M2", "F32"])
def test_from_float64__halfway__goes_to_even(name: str) -> None:
    dtype = DTYPES[name]
    assert dtype.float_format is not None
    step = 2.0**-dtype.float_format.mantissa
    values = np.array([1 + step / 2, 1 + 1.5 * step, 1 + step / 2 + 2.0**-52, -1 - step / 2])
    assert from_float64(values, dtype).astype(np.float64).tolist() == [1.0, 1 + 2 * step, 1 + step, -1.0]


def test_from_float64__just_above_halfway__is_not_rounded_twice() -> None:
    # By way of float32 this becomes exactly halfway, and then goes down to even.
    value = 1 + 2.0**-8 + 2.0**-30
    assert from_float64(np.array([value]), DTYPES["BF16"])[0] == 1 + 2.0**-7
    assert np.float64(value).astype(np.float32).astype(ml_dtypes.bfloat16) == 1.0


@pytest.mark.parametrize("name", FLOATS)
def test_from_float64__beyond_the_range__is_the_largest_finite_number(name: str) -> None:
    known = DTYPES[name].float_format
    assert known is not None
    rounded = from_float64(np.array([np.inf, 1.7e308, -np.inf]), DTYPES[name]).astype(np.float64)
    assert rounded[0] == known.largest
    assert rounded[2] == -known.largest


def test_header__two_specs_of_one_name__raises_malformed_weights() -> None:
    with pytest.raises(MalformedWeights, match="same name"):
        header((TensorSpec("a", "F32", ()), TensorSpec("a", "F64", ())))
