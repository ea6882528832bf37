"""`swarm-chain round`: every call of the contract about a round."""

from __future__ import annotations

import click

from swarm_chain.cli.calls import Calling, calling_options, current_round, salt_for, sender_of
from swarm_chain.cli.params import DIGEST, BytesParam
from swarm_chain.types import (
    Attest,
    CloseRound,
    CommitUpdate,
    Digest,
    OpenRound,
    RevealUpdate,
    Samples,
    SubmitUpdate,
)

round_option = click.option(
    "--round",
    "number",
    metavar="N",
    type=click.IntRange(1, 2**32 - 1),
    help="The round it is meant for; without it the running one.",
)
samples_option = click.option(
    "--samples",
    metavar="N",
    type=click.IntRange(1, 2**64 - 1),
    required=True,
    help="Training examples behind the update.",
)
salt_option = click.option(
    "--salt", metavar="BYTES32", type=BytesParam("A salt"), help="What hides the update; without it the account's own."
)


@click.group("round")
def round_() -> None:
    """Call the contract about a round.

    Agents do all of this by themselves: these are for closing what nobody closes, and for looking into what goes on.
    """


@round_.command("open")
@calling_options
def open_(to: Calling) -> None:
    """Open the next round (an active node)."""
    to.send(OpenRound())


@round_.command()
@click.argument("digest", type=DIGEST, metavar="DIGEST|CID")
@samples_option
@salt_option
@round_option
@calling_options
def commit(digest: Digest, samples: int, salt: bytes | None, number: int | None, to: Calling) -> None:
    """Commit to an update that nobody can read yet (an expected node of a sealed swarm)."""
    from swarm_chain.core.commitments import commitment_to

    line = to.open()
    round_number = current_round(line.chain, number)
    commitment = commitment_to(
        chain_id=line.chain.chain_id,
        coordinator=line.chain.coordinator,
        round_number=round_number,
        node=sender_of(line.chain),
        digest=digest,
        samples=Samples(samples),
        salt=salt_for(line.chain, round_number, salt),
    )
    line.send(CommitUpdate(round=round_number, commitment=commitment))


@round_.command()
@click.argument("digest", type=DIGEST, metavar="DIGEST|CID")
@samples_option
@salt_option
@round_option
@calling_options
def reveal(digest: Digest, samples: int, salt: bytes | None, number: int | None, to: Calling) -> None:
    """Show what was committed (a committer of a sealed swarm)."""
    line = to.open()
    round_number = current_round(line.chain, number)
    shown = salt_for(line.chain, round_number, salt)
    line.send(RevealUpdate(round=round_number, digest=digest, samples=Samples(samples), salt=shown))


@round_.command()
@click.argument("digest", type=DIGEST, metavar="DIGEST|CID")
@samples_option
@round_option
@calling_options
def submit(digest: Digest, samples: int, number: int | None, to: Calling) -> None:
    """Submit an update in one step (an expected node of a direct swarm)."""
    line = to.open()
    call = SubmitUpdate(round=current_round(line.chain, number), digest=digest, samples=Samples(samples))
    line.send(call)


@round_.command()
@round_option
@calling_options
def close(number: int | None, to: Calling) -> None:
    """End a phase whose deadline has passed (anyone)."""
    line = to.open()
    line.send(CloseRound(round=current_round(line.chain, number)))


@round_.command()
@click.argument("digest", type=DIGEST, metavar="DIGEST|CID")
@round_option
@calling_options
def attest(digest: Digest, number: int | None, to: Calling) -> None:
    """Say which result this account computed (a revealer); may be changed until the round ends."""
    line = to.open()
    line.send(Attest(round=current_round(line.chain, number), result=digest))
