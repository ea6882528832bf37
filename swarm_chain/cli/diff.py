"""`swarm-chain diff`: how far weights moved from one result to another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from swarm_chain.cli.models import RESULT, ResultName, open_readable, open_results
from swarm_chain.cli.options import Place, json_option, place_options, read_store_option
from swarm_chain.cli.output import checksum, printable, show, table, write_json
from swarm_chain.errors import ConfigurationError

if TYPE_CHECKING:
    from swarm_chain.core.documents import ResultDocument, TaskDocument
    from swarm_chain.core.weights import TensorSpec
    from swarm_chain.models.difference import Difference, Move, TensorDifference
    from swarm_chain.ports import UpdateStore


@click.command()
@click.argument("a", type=RESULT)
@click.argument("b", type=RESULT)
@read_store_option
@json_option
@place_options
def diff(a: ResultName, b: ResultName, stores: tuple[str, ...], json_file: Path | None, place: Place) -> None:
    """Show how far weights moved from result A to result B, tensor by tensor.

    A and B are CONTRACT@ROUND, @ROUND where the chain has one deployment, CONTRACT for its head, or a result's CID;
    CONTRACT is an address or a deployment's name. They may be of two swarms: tensors that only one of them has are
    named. A CID is taken at its word: no chain is asked about it.
    """
    from swarm_chain.models.difference import difference
    from swarm_chain.models.weights import fetch_model

    sides = [_find(name, place, stores) for name in (a, b)]
    with _folder() as folder:
        files = [Path(folder) / side for side in ("a", "b")]
        try:
            for side, file in zip(sides, files, strict=True):
                fetch_model(side.store, side.document, side.task, file)
        except OSError as error:
            raise ConfigurationError(f"{folder} cannot be written: {error.strerror}; set TMPDIR to another") from error
        found = difference(*files)
    if json_file:
        write_json(json_file, document_of(sides, found))
    if str(json_file) != "-":
        _print(sides, found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two results, and where its weights are. `is_on_chain` says that its chain was asked, and has it."""

    document: ResultDocument
    task: TaskDocument
    store: UpdateStore
    is_on_chain: bool


def _find(name: ResultName, place: Place, stores: Sequence[str]) -> Side:
    """A result and its task. Raises what chain and store do."""
    from swarm_chain.core import documents
    from swarm_chain.core.documents import ResultDocument, TaskDocument

    if name.digest is None:
        reading = open_results(place, name.contract, stores).reading
        agreed = reading.agreed(name.round)
        return Side(document=agreed.document, task=agreed.task, store=reading.store, is_on_chain=True)
    store = open_readable(stores)
    document = documents.read(store.get, name.digest, ResultDocument)
    task = documents.read(store.get, document.task, TaskDocument)
    return Side(document=document, task=task, store=store, is_on_chain=False)


def _folder() -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(prefix="swarm-chain-diff-")
    except OSError as error:
        raise ConfigurationError(f"no temporary folder: {error.strerror}; set TMPDIR to one") from error


# --------------------------------------------------------------------------------------------------------------- people


def _print(sides: Sequence[Side], found: Difference) -> None:
    for letter, side in zip("AB", sides, strict=True):
        click.echo(f"{letter}  {_described(side)}")
    rows = [_row(one) for one in found.tensors if one.move is not None]
    if rows:
        columns = ("tensor", "type", "changed", "moved by", "by A's norm", "largest", "cosine")
        show(table(*columns, rows=[*rows, ("all floats", "", *_move(found.total))]))
    for one in found.tensors:
        if one.move is None:
            click.echo(_only(one))


def _described(side: Side) -> str:
    document = side.document
    which = f"round {document.round}" if document.round else "genesis"
    where = f" of {checksum(document.contract)} on chain {document.chain}" if document.contract else ""
    return f"{which}{where}  {document.cid()}" + ("" if side.is_on_chain else "  (no chain asked)")


def _row(one: TensorDifference) -> Sequence[object]:
    kinds = {spec.dtype for spec in (one.a, one.b) if spec}
    shape = list(one.a.shape) if one.a else []
    return one.name, f"{' and '.join(sorted(kinds))}{shape}", *(_move(one.move) if one.move else ())


def _move(move: Move) -> Sequence[str]:
    return (
        f"{move.changed:,} of {move.elements:,}",
        f"{move.norm:.4g}",
        "-" if move.relative is None else f"{move.relative:.2%}",
        f"{move.largest:.4g}",
        "-" if move.cosine is None else f"{move.cosine:.6f}",
    )


def _only(one: TensorDifference) -> str:
    if one.a is not None and one.b is not None:
        return f"differs   {printable(str(one.a))} in A, {_shape(one.b)} in B"
    spec, letter = (one.a, "A") if one.a else (one.b, "B")
    return f"only in {letter} {printable(str(spec))}"


def _shape(spec: TensorSpec) -> str:
    return f"{spec.dtype}{list(spec.shape)}"


# ------------------------------------------------------------------------------------------------------------- programs


def document_of(sides: Sequence[Side], found: Difference) -> Mapping[str, Any]:
    """The difference for programs, as `schemas/diff.schema.json` describes it."""
    a, b = sides
    return {
        "a": _side(a),
        "b": _side(b),
        "total": _numbers(found.total),
        "tensors": [_tensor(one) for one in found.tensors if one.move is not None],
        "only_a": [_spec(one.a) for one in found.tensors if one.b is None and one.a],
        "only_b": [_spec(one.b) for one in found.tensors if one.a is None and one.b],
        "reshaped": [{"a": _spec(one.a), "b": _spec(one.b)} for one in _reshaped(found)],
    }


def _reshaped(found: Difference) -> Iterator[Any]:
    return (one for one in found.tensors if one.move is None and one.a and one.b)


def _side(side: Side) -> Mapping[str, Any]:
    document = side.document
    return {
        "round": document.round,
        "chain_id": document.chain,
        "contract": document.contract and "0x" + document.contract.hex(),
        "result": str(document.cid()),
        "weights": str(document.weights),
        "on_chain": side.is_on_chain,
    }


def _tensor(one: TensorDifference) -> Mapping[str, Any]:
    assert one.a is not None and one.b is not None and one.move is not None  # noqa: S101, PT018
    return {"name": one.name, "dtype": one.a.dtype, "shape": list(one.a.shape), **_numbers(one.move)}


def _spec(spec: TensorSpec) -> Mapping[str, Any]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}


def _numbers(move: Move) -> Mapping[str, Any]:
    return {
        "elements": move.elements,
        "changed": move.changed,
        "norm": _finite(move.norm),
        "norm_a": _finite(move.norm_a),
        "norm_b": _finite(move.norm_b),
        "relative": move.relative,
        "largest": _finite(move.largest),
        "cosine": move.cosine,
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
