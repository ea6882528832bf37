"""`swarm-chain node`: every call of the contract about membership."""

from __future__ import annotations

import click

from swarm_chain.cli.calls import Calling, calling_options
from swarm_chain.cli.params import ADDRESS, PLACE
from swarm_chain.types import AddNode, Address, Announce, Lift, RegisterNode, RemoveNode, Resume, Suspend


@click.group()
def node() -> None:
    """Call the contract about a node's membership.

    `join` registers with an invitation, and agents suspend and resume by themselves: these are for the rest.
    """


@node.command()
@click.option("--label", default="", help="What people call the node, at most 64 bytes. Public for ever.")
@calling_options
def register(label: str, to: Calling) -> None:
    """Join without an invitation, where registration is open."""
    to.send(RegisterNode(label=label))


@node.command()
@click.argument("address", type=ADDRESS)
@click.option("--label", default="", help="What people call the node, at most 64 bytes. Public for ever.")
@calling_options
def add(address: Address, label: str, to: Calling) -> None:
    """Add a node, or take back one that was removed (a registrar)."""
    to.send(AddNode(node=address, label=label))


@node.command()
@click.argument("address", type=ADDRESS)
@calling_options
def remove(address: Address, to: Calling) -> None:
    """Remove a node from the next round on, until it is added again (a registrar)."""
    to.send(RemoveNode(node=address))


@node.command()
@click.argument("places", metavar="URL|MULTIADDR...", type=PLACE, nargs=-1, required=True)
@calling_options
def announce(places: tuple[str, ...], to: Calling) -> None:
    """Say where this account's node serves its blocks. The latest announcement counts, and all are public for ever."""
    to.send(Announce(stores="\n".join(places).encode()))


@node.command()
@click.argument("address", type=ADDRESS)
@calling_options
def suspend(address: Address, to: Calling) -> None:
    """Suspend a node: one's own, an absent one, or as a registrar any."""
    to.send(Suspend(node=address))


@node.command()
@click.argument("address", type=ADDRESS)
@calling_options
def lift(address: Address, to: Calling) -> None:
    """Make a suspended node active again (a registrar)."""
    to.send(Lift(node=address))


@node.command()
@calling_options
def resume(to: Calling) -> None:
    """Make this account's node active again, after its own suspension or one for absence."""
    to.send(Resume())
