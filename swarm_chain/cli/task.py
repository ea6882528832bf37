"""`swarm-chain task`: what a swarm trains, to be read before joining."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.merges import describe_merge
from swarm_chain.cli.options import Place, json_option, place_options, store_option
from swarm_chain.cli.output import printable, say, write_json

if TYPE_CHECKING:
    from swarm_chain.membership.acceptance import Ask, Offer
    from swarm_chain.membership.rule_acceptance import AskRule, RuleOffer


@click.group()
def task() -> None:
    """Read a swarm's task before joining."""


@task.command()
@click.argument("swarm", metavar="[CONTRACT|CODE]", required=False)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the source, byte for byte, to a new file instead of showing it.",
)
@store_option
@place_options
@json_option
def show(swarm: str | None, output: Path | None, stores: tuple[str, ...], place: Place, json_file: Path | None) -> None:
    """Show a swarm's task: its digest, hyper-parameters, merge rule, and its source. Nothing of it is run.

    By its contract, or by an invitation code, which names chain and stores.
    """
    offer = _offer(swarm, stores, place)
    if output is not None:
        _write_source(offer, output)
    if json_file is not None:
        write_json(json_file, document_of(offer))
    if str(json_file) != "-":
        show_offer(offer, with_source=output is None)


def _offer(swarm: str | None, stores: Sequence[str], place: Place) -> Offer:
    """The task of a swarm, as the stores have it. Raises `BlockNotFound`, and what reading does."""
    from swarm_chain.cli.connect import connect, evidence_of, find_contract
    from swarm_chain.core.invitation_codes import decode_invitation, is_code
    from swarm_chain.membership.acceptance import read_offer
    from swarm_chain.membership.joining import swarms_task

    if swarm is not None and is_code(swarm):
        code = decode_invitation(swarm)
        swarm, stores = "0x" + code.contract.hex(), tuple(stores) or code.stores
        place = place if place.rpc or place.network else Place(rpc=code.rpc_urls, network=None)
    found = find_contract(place, swarm)
    store = evidence_of(found, stores)
    return read_offer(swarms_task(connect(found), store), store)


def _write_source(offer: Offer, path: Path) -> None:
    """Writes the source to a file that was not there. Raises `ConfigurationError`, `TaskError`."""
    from swarm_chain.errors import ConfigurationError, TaskError

    if offer.source is None:
        raise TaskError(f"the task {offer.document.name} ships with swarm-chain: there is no source to write")
    try:
        with path.open("xb") as file:
            file.write(offer.source)
    except FileExistsError:
        raise ConfigurationError(f"{path} is there already; give --output a new file") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; choose another file") from error
    say(f"the source is in {path}; reading it runs nothing")


def document_of(offer: Offer) -> dict[str, object]:
    """The task for programs, as `schemas/task.schema.json` describes it."""
    from swarm_chain.core.cids import Cid

    document = offer.document
    source = document.source
    return {
        "name": document.name,
        "digest": "0x" + offer.digest.hex(),
        "cid": str(document.cid()),
        "ships": None if isinstance(source, Cid) else {"name": source.name, "version": source.version},
        "source_cid": str(source) if isinstance(source, Cid) else None,
        "source": None if offer.source is None else offer.source.decode("utf-8", "replace"),
        "model": "0x" + document.model.hex(),
        "training": dict(document.training),
        "merge": {
            "rule": document.merge.rule,
            "parameters": dict(document.merge.parameters),
            "source_cid": document.merge.source and str(document.merge.source),
            "source": None if offer.rule is None else offer.rule.decode("utf-8", "replace"),
            "max_samples": document.merge.max_samples,
            "max_share_bps": document.merge.max_share_bps,
        },
        "max_bytes": document.update.max_bytes,
    }


# --------------------------------------------------------------------------------------------------------------- people


def asker() -> Ask | None:
    """What asks at the terminal; None where nobody can answer."""
    return _ask if sys.stdin.isatty() else None


def _ask(offer: Offer) -> bool:
    show_offer(offer, with_source=True, err=True)
    say("\nThis code will run on this machine, with your data, whenever the agent trains.")
    return click.confirm("Have you read it, and accept it?", default=False, err=True)


def rule_asker() -> AskRule | None:
    """What asks for a merge rule at the terminal; None where nobody can answer."""
    return _ask_rule if sys.stdin.isatty() else None


def _ask_rule(offer: RuleOffer) -> bool:
    say(f"The merge rule {printable(offer.name)} of the swarm is source code, 0x{offer.digest.hex()}:\n")
    for line in _numbered(offer.source):
        say(line)
    say("\nThis code will run on this machine whenever the agent merges.")
    return click.confirm("Have you read it, and accept it?", default=False, err=True)


def show_offer(offer: Offer, *, with_source: bool, err: bool = False) -> None:
    """Prints a task for people."""
    for line in _lines(offer, with_source=with_source):
        click.echo(line, err=err)


def _lines(offer: Offer, *, with_source: bool) -> Iterator[str]:
    from swarm_chain.core.cids import Cid

    document, merge = offer.document, offer.document.merge
    source = document.source
    yield f"task      {printable(document.name)}"
    yield f"digest    0x{offer.digest.hex()}  {document.cid()}"
    if isinstance(source, Cid):
        yield f"source    {source}, {len(offer.source or b''):,} bytes"
    else:
        yield f"source    ships with swarm-chain: {printable(source.name)}, version {printable(source.version)}"
    yield f"merge     {describe_merge(merge)}"
    if merge.source is not None:
        yield f"rule      0x{merge.source.digest.hex()}  {merge.source}, {len(offer.rule or b''):,} bytes"
    yield f"update    at most {document.update.max_bytes:,} bytes"
    yield "training"
    for name, value in document.training.items():
        yield f"  {printable(name)} = {printable(str(value))}"
    if with_source and offer.source is not None:
        yield ""
        yield from _numbered(offer.source)
    if with_source and offer.rule is not None:
        yield f"\nThe source of the merge rule {printable(merge.rule)}:\n"
        yield from _numbered(offer.rule)


def _numbered(source: bytes) -> Iterator[str]:
    """The source line by line, and a warning where it holds what cannot be seen."""
    from swarm_chain.tasks.sources import lines_of

    lines = [line.expandtabs() for line in lines_of(source.decode("utf-8-sig", "replace"))]
    for number, line in enumerate(lines, start=1):
        yield f"{number:5}  {printable(line)}"
    if hidden := [number for number, line in enumerate(lines, start=1) if not line.isprintable()]:
        shown = ", ".join(map(str, hidden[:10])) + (", …" if len(hidden) > 10 else "")
        yield f"warning: characters that do not show, or turn a line around, in line {shown}: shown as ?"
