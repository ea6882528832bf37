"""`swarm-chain export`: an agreed model as a file, and its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.models import contract_and_path, open_results
from swarm_chain.cli.options import Place, place_options, read_store_option
from swarm_chain.cli.output import say

if TYPE_CHECKING:
    from swarm_chain.models.export import Exported


@click.command()
@click.argument("names", metavar="[ADDRESS|NAME] FILE", nargs=-1, required=True)
@click.option(
    "--round",
    "number",
    metavar="N",
    type=click.IntRange(min=0),
    help="The round whose model it is, 0 for the genesis; without it the head's.",
)
@click.option("--force", is_flag=True, help="Replace FILE and its card where they are there.")
@read_store_option
@place_options
def export(names: tuple[str, ...], number: int | None, force: bool, stores: tuple[str, ...], place: Place) -> None:
    """Write the model of a round to a safetensors file, and a model card beside it.

    The chain says which result the round ended in; every document and every byte is checked against its CID, tensors
    against the task. The card, FILE.md, says where the model comes from, who took part, and how it does at each site.
    The contract may be left out where the chain has one deployment.
    """
    from swarm_chain.models.export import export_model

    contract, file = contract_and_path(names, "the file to write")
    found = open_results(place, contract, stores)
    done = export_model(found.reading, number, Path(file), replace=force, elsewhere=found.elsewhere)
    _report(done)


def _report(done: Exported) -> None:
    document = done.agreed.document
    which = f"round {document.round}" if document.round else "the genesis"
    click.echo(f"model     {done.file}, of {which}")
    click.echo(f"card      {done.card}")
    click.echo(f"result    {done.agreed.cid}")
    click.echo(f"weights   {document.weights}")
    click.echo(f"sha2-256  {done.fetched.sha256}")
    say("the card's section on intended use is for you to write")
