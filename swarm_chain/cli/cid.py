"""`swarm-chain cid`: what an explorer shows, and what IPFS calls it."""

from __future__ import annotations

import re

import click

from swarm_chain.types import Digest


@click.command()
@click.argument("name", metavar="DIGEST|CID")
def cid(name: str) -> None:
    """Turn a digest into its CID, and a CID into its digest.

    A digest is what the contract and explorers show: 0x and 64 hexadecimal digits. Its CID is what IPFS finds the
    document by. Prints the other one.
    """
    from swarm_chain.core.cids import document_cid, parse_cid

    if re.fullmatch("(0x)?[0-9a-fA-F]{64}", name):
        click.echo(str(document_cid(Digest(bytes.fromhex(name.removeprefix("0x"))))))
    else:
        click.echo("0x" + parse_cid(name).digest.hex())
