"""An agent that lies: `python -m swarm_chain.lab.rogue --config FILE --rounds N PLAN`, as a real swarm's member.

All but its training is what every node runs. Instead of training on its own data it does what all honest nodes do,
whose data it knows, and makes its update of theirs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swarm_chain.bootstrap import build_agent
from swarm_chain.config import load_node_config
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.core.weights import encode
from swarm_chain.errors import AccountError
from swarm_chain.lab.attacks import find_attack
from swarm_chain.lab.ground import Deal
from swarm_chain.lab.nodes import Nodes
from swarm_chain.ports import Progress
from swarm_chain.types import Metrics, Parameters, RoundNumber, Samples, TrainingOutcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What one attacker does: the `node`th of a deal, the last `byzantine` of whose nodes attack together."""

    deal: Deal
    byzantine: int
    attack: str
    node: int

    def write(self, path: Path) -> None:
        """Writes the plan as JSON."""
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Plan:
        """The plan that `write` wrote."""
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        deal = {**found.pop("deal")}
        return cls(deal=Deal(**{**deal, "sources": tuple(deal["sources"])}), **found)


class RogueTrainer:
    """A `Trainer` that gives what one attacker sends."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._nodes = Nodes(plan.deal.write(folder), byzantine=plan.byzantine, seed=plan.deal.seed)

    def samples(self) -> Samples:
        """As many as it has: nobody could tell."""
        return self._nodes.samples(self._plan.node)

    def train(
        self, base: Parameters, *, memory: Parameters, round_number: RoundNumber, on_progress: Progress
    ) -> TrainingOutcome:
        """The attack's update for this node."""
        name = self._plan.attack
        sent = self._nodes.attacked(name, find_attack(name), base, import_bytes(encode(base)).cid, round_number)
        on_progress(1.0)
        return TrainingOutcome(
            parameters=sent[self._plan.node - self._nodes.attackers.start],
            samples=self.samples(),
            base_metrics={},
            local_metrics={},
        )

    def evaluate(self, parameters: Parameters, *, memory: Parameters) -> Metrics:
        """Nothing: an attacker does not care."""
        return {}


def main(arguments: Mapping[str, Any]) -> None:
    """Takes part until the swarm has finalised its rounds."""
    from swarm_chain.agent.policy import Policy

    config = load_node_config(arguments["config"])
    if config.password_file is None:
        raise AccountError("an attacker's keystore needs a password file; name it in the node's configuration")
    with tempfile.TemporaryDirectory(prefix="swarm-chain-rogue-") as folder:
        build_agent(
            config,
            password=config.password_file.read_text(encoding="utf-8").strip(),
            policy=Policy(rounds=arguments["rounds"], confirmations=config.confirmations),
            on_activity=lambda activity: None,
            trainer=RogueTrainer(Plan.read(arguments["plan"]), Path(folder)),
        ).run()


def _arguments() -> Mapping[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("plan", type=Path)
    return vars(parser.parse_args())


if __name__ == "__main__":
    main(_arguments())
