"""The swarm-chain command."""

from __future__ import annotations

from swarm_chain.cli.tree import cli


def main() -> None:
    """Runs the command line and exits with its status."""
    cli.main(prog_name="swarm-chain")
