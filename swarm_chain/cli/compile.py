"""`swarm-chain compile`: the contract's sources to the artifact in the package."""

from __future__ import annotations

import click

from swarm_chain.cli.output import say
from swarm_chain.errors import CompilationFailed


@click.command("compile")
@click.option("--check", is_flag=True, help="Write nothing; fail where the artifact is not what the sources give.")
def compile_(check: bool) -> None:
    """Compile the contract into the artifact that ships.

    Needs a checkout with `npm ci` done. Same sources, same artifact, on every machine.
    """
    from swarm_chain.artifacts import artifact_path
    from swarm_chain.compiler import compile_contracts, render_artifact, write_artifact

    artifact = compile_contracts(on_progress=say)
    path = artifact_path(artifact["contractName"])
    if not check:
        say(f"wrote {write_artifact(artifact)}")
    elif not path.exists() or path.read_text(encoding="utf-8") != render_artifact(artifact):
        raise CompilationFailed(f"{path} is not what the sources give; run `swarm-chain compile` and commit it")
    else:
        say(f"{path} is what the sources give")
