"""`swarm-chain invite`: one string with which one account joins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.calls import Calling, calling_options
from swarm_chain.cli.options import store_option
from swarm_chain.cli.output import checksum, next_steps, say
from swarm_chain.cli.params import ADDRESS, DURATION, ETHER
from swarm_chain.types import Address, Seconds

if TYPE_CHECKING:
    from swarm_chain.accounts import Signer
    from swarm_chain.cli.connect import Found


@click.command()
@click.argument("address", type=ADDRESS, required=False)
@click.option(
    "--all-of",
    "earlier",
    metavar="ADDRESS|NAME",
    help="Invite every node of an earlier swarm that is not in this one yet; the codes are written to files.",
)
@click.option(
    "--invitations",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --all-of: where to write a file for each. Without it, invitations/NAME.",
)
@click.option("--expires", type=DURATION, default="7d", show_default=True, help="How long it can be used.")
@click.option(
    "--fund",
    type=ETHER,
    is_flag=False,
    flag_value="1",
    help="Also send the account ether for its transactions; one ether unless told.",
)
@store_option
@calling_options
def invite(
    address: Address | None,
    earlier: str | None,
    folder: Path | None,
    expires: Seconds,
    fund: int | None,
    stores: tuple[str, ...],
    to: Calling,
) -> None:
    """Make the code with which one account joins.

    Prints the code, alone, on stdout. It is of use to that account only, so it need not be kept secret; it names this
    command's RPC endpoints and stores, so give those that the other side reaches: folders only where the endpoints are
    on this machine too. The signer must be a registrar.
    With --all-of, every node of an earlier swarm gets a code, in a file of its own.
    """
    from swarm_chain.cli.connect import connect, find_contract, open_signer, store_specs
    from swarm_chain.cli.successors import invitations_folder, invite_all, require_registrar

    if (address is None) == (earlier is None):
        raise click.UsageError("give the ADDRESS of one account, or --all-of an earlier swarm.")
    if folder is not None and earlier is None:
        raise click.UsageError("--invitations goes with --all-of; the code of one account is printed.")
    found = find_contract(to.place, to.contract)
    signer = open_signer(to.sender, found.target.chain_id)
    require_registrar(found, signer.address)
    specs = store_specs(stores)
    if address is not None:
        _invite_one(found, signer, address, specs, expires, fund)
        return
    before = connect(find_contract(to.place, earlier))
    place = folder or invitations_folder(found)
    for account in invite_all(before, found, signer, specs, expires=expires, folder=place):
        if fund is not None:
            _fund(found, signer, account, fund)
    next_steps("swarm-chain join CODE        (where the account's keystore is)")


def _invite_one(
    found: Found, signer: Signer, address: Address, stores: Sequence[str], expires: Seconds, fund: int | None
) -> None:
    """Prints an account's code, and sends it ether where that was asked for."""
    from swarm_chain.cli.connect import connect
    from swarm_chain.cli.successors import terms_of
    from swarm_chain.core.invitation_codes import encode_invitation
    from swarm_chain.membership.inviting import invitation_for

    chain = connect(found)
    code = invitation_for(address, terms_of(found, chain, stores, expires), signer)
    if fund is not None:
        _fund(found, signer, address, fund)
    click.echo(encode_invitation(code))
    say(f"an invitation for {checksum(address)} to {checksum(found.contract)} on chain {chain.chain_id}")
    next_steps("swarm-chain join CODE --data SPEC        (where the account's keystore is)")


def _fund(found: Found, signer: Signer, address: Address, wei: int) -> None:
    from swarm_chain.membership.funding import send_ether

    send_ether(found.target.rpc_urls, signer, address, wei, chain_id=found.target.chain_id)
    say(f"sent {wei / 10**18:g} ether to {checksum(address)}")
