"""`swarm-chain invite`: one string with which one account joins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from swarm_chain.cli.calls import Calling, calling_options
from swarm_chain.cli.options import store_option
from swarm_chain.cli.output import checksum, next_steps, say
from swarm_chain.cli.params import ADDRESS, DURATION, ETHER
from swarm_chain.errors import NotRegistrar
from swarm_chain.types import Address, Invitation, Seconds, Timestamp

if TYPE_CHECKING:
    from swarm_chain.accounts import Signer
    from swarm_chain.cli.connect import Found


@click.command()
@click.argument("address", type=ADDRESS)
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
def invite(address: Address, expires: Seconds, fund: int | None, stores: tuple[str, ...], to: Calling) -> None:
    """Make the code with which one account joins.

    Prints the code, alone, on stdout. It is of use to that account only, so it need not be kept secret; it names this
    command's RPC endpoints and stores, so give those that the other side reaches. The signer must be a registrar.
    """
    from swarm_chain.cli.connect import connect, find_contract, open_signer, store_specs
    from swarm_chain.core.invitation_codes import InvitationCode, encode_invitation

    found = find_contract(to.place, to.contract)
    signer = open_signer(to.sender, found.target.chain_id)
    chain = connect(found)
    _require_registrar(found, signer.address)
    invitation = Invitation(account=address, registrar=signer.address, expiry=Timestamp(chain.look().now + expires))
    code = InvitationCode(
        chain_id=chain.chain_id,
        rpc_urls=found.target.rpc_urls,
        contract=found.contract,
        deployment_block=chain.deployed_at(),
        stores=store_specs(stores),
        invitation=invitation,
        signature=signer.sign_invitation(invitation, chain_id=chain.chain_id, contract=found.contract),
    )
    if fund is not None:
        _fund(found, signer, address, fund)
    click.echo(encode_invitation(code))
    say(f"an invitation for {checksum(address)} to {checksum(found.contract)} on chain {chain.chain_id}")
    next_steps("swarm-chain join CODE --data SPEC        (where the account's keystore is)")


def _require_registrar(found: Found, account: Address) -> None:
    """Raises `NotRegistrar`: an invitation by anybody else could not be used."""
    from swarm_chain.deployment.deployer import Deployer

    deployer = Deployer(found.target.rpc_urls, sender=account, chain_id=found.target.chain_id)
    role = deployer.read(found.contract, "REGISTRAR_ROLE")
    if not deployer.read(found.contract, "hasRole", role, account):
        raise NotRegistrar(caller=account)


def _fund(found: Found, signer: Signer, address: Address, wei: int) -> None:
    from swarm_chain.membership.funding import send_ether

    send_ether(found.target.rpc_urls, signer, address, wei, chain_id=found.target.chain_id)
    say(f"sent {wei / 10**18:g} ether to {checksum(address)}")
