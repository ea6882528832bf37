"""The tree of commands. A command's module is imported when it is used, so that `--help` shows at once."""

from __future__ import annotations

import click

from swarm_chain import __version__
from swarm_chain.cli.program import Program

COMMANDS = {
    "demo": ("swarm_chain.cli.demo:demo", "Train a swarm on this machine, from nothing to an audited model."),
    "new": ("swarm_chain.cli.new:new", "Write a task of your own to start from."),
    "devnet": ("swarm_chain.cli.devnet:devnet", "Run a development chain until Ctrl-C."),
    "deploy": ("swarm_chain.cli.deploy:deploy", "Put a new swarm on a chain."),
    "account": ("swarm_chain.cli.account:account", "Make, import and list accounts."),
    "invite": ("swarm_chain.cli.invite:invite", "Make the code with which one account joins."),
    "join": ("swarm_chain.cli.join:join", "Join a swarm with an invitation code."),
    "task": ("swarm_chain.cli.task:task", "Read a swarm's task before joining."),
    "agent": ("swarm_chain.cli.agent:agent", "Take part in a swarm."),
    "store": ("swarm_chain.cli.store:store", "Let other machines read a store."),
    "status": ("swarm_chain.cli.status:status", "Show what a swarm does, and what it waits for."),
    "report": ("swarm_chain.cli.report:report", "Write a page on a swarm: one HTML file, to be opened from anywhere."),
    "audit": ("swarm_chain.cli.audit:audit", "Re-run every round of a swarm, from a chain and a store alone."),
    "log": ("swarm_chain.cli.log:log", "List the results that a swarm agreed on, newest first."),
    "best": ("swarm_chain.cli.best:best", "Show the round whose model is the best, by each metric."),
    "export": (
        "swarm_chain.cli.export:export",
        "Write the model of a round to a safetensors file, and a model card beside it.",
    ),
    "diff": ("swarm_chain.cli.diff:diff", "Show how far weights moved from result A to result B, tensor by tensor."),
    "pull": (
        "swarm_chain.cli.pull:pull",
        "Keep the newest agreed model in a folder, for those who only use it.",
    ),
    "swarms": (
        "swarm_chain.cli.swarms:swarms",
        "List the swarms that this machine knows, with head, metric and state.",
    ),
    "pins": ("swarm_chain.cli.pins:pins", "List what stores keep of a swarm, and let go of old weights."),
    "node": ("swarm_chain.cli.node:node", "Call the contract about a node's membership."),
    "registrar": ("swarm_chain.cli.registrar:registrar", "Say who may invite and remove nodes."),
    "round": ("swarm_chain.cli.round:round_", "Call the contract about a round."),
    "migrations": ("swarm_chain.cli.migrations:migrations", "List migrations and where they were applied."),
    "compile": ("swarm_chain.cli.compile:compile_", "Compile the contract into the artifact that ships."),
    "lab": ("swarm_chain.cli.lab:lab", "Attack a swarm, and show what each merge rule leaves of its model."),
    "cost": ("swarm_chain.cli.cost:cost", "Show what a swarm costs on a chain, in gas and at a price."),
    "cid": ("swarm_chain.cli.cid:cid", "Turn a digest into its CID, and a CID into its digest."),
}
"""Where each command lives, and the line that the list of commands shows for it."""


@click.group(cls=Program, lazy=COMMANDS)
@click.version_option(__version__, prog_name="swarm-chain")
def cli() -> None:
    """Train one model together, without a server and without showing each other your data.

    To see it work: swarm-chain demo. By hand: devnet, deploy, account new, invite, join, agent run, status, audit.
    """


__all__ = ["COMMANDS", "cli"]
