"""`swarm-chain registrar`: who may invite, add, remove, suspend and lift nodes."""

from __future__ import annotations

import click

from swarm_chain.cli.calls import Calling, calling_options
from swarm_chain.cli.output import say
from swarm_chain.cli.params import ADDRESS
from swarm_chain.errors import AccountError
from swarm_chain.types import Address

ADMIN_ROLE = bytes(32)
"""AccessControl's `DEFAULT_ADMIN_ROLE`."""


@click.group()
def registrar() -> None:
    """Say who may invite and remove nodes.

    The account that deployed a swarm is its admin, and its first registrar. Only the admin names others.
    """


@registrar.command("add")
@click.argument("address", type=ADDRESS)
@calling_options
def add(address: Address, to: Calling) -> None:
    """Make an account a registrar (the admin)."""
    _change("grantRole", address, to)


@registrar.command("remove")
@click.argument("address", type=ADDRESS)
@calling_options
def remove(address: Address, to: Calling) -> None:
    """Take that away again (the admin). Invitations it signed are worth nothing from then on."""
    _change("revokeRole", address, to)


def _change(function: str, address: Address, to: Calling) -> None:
    from swarm_chain.cli.connect import confirmations_of, connect, find_contract, open_signer
    from swarm_chain.deployment.deployer import Deployer
    from swarm_chain.types import BlockNumber

    found = find_contract(to.place, to.contract)
    connect(found)
    signer = open_signer(to.sender, found.target.chain_id)
    deployer = Deployer.of(found.target.rpc_urls, signer, chain_id=found.target.chain_id)
    role = deployer.read(found.contract, "REGISTRAR_ROLE")
    if deployer.read(found.contract, "hasRole", role, address) == (function == "grantRole"):
        say(f"0x{address.hex()} is {'a' if function == 'grantRole' else 'no'} registrar already: nothing to do")
        return
    if not deployer.read(found.contract, "hasRole", ADMIN_ROLE, signer.address):
        raise AccountError(
            f"{signer.checksum_address} is not the swarm's admin, who alone names registrars; use theirs"
        )
    data = deployer.encode(function, role, address)
    receipt = deployer.send(function, found.contract, data, lambda *_: None)
    block = BlockNumber(int(str(receipt["blockNumber"]), 16))
    deployer.wait_for_depth(block, confirmations_of(to.sender, found.target), say)
    click.echo(f"{'RoleGranted' if function == 'grantRole' else 'RoleRevoked'} account=0x{address.hex()}")
