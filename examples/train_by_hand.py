"""A node of a swarm with its own model, training loop and metrics.

    swarm-chain devnet &
    swarm-chain deploy --open-registration --store local:store
    python examples/train_by_hand.py CONTRACT dev1 --part 0 &
    python examples/train_by_hand.py CONTRACT dev2 --part 1

Killed at any moment and started again, it goes on where it was. An invitation code may stand in place of CONTRACT, and
a keystore's name in place of dev1.
"""

from __future__ import annotations

import argparse
import logging

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from swarm_chain import SwarmNode
from swarm_chain.tasks import load_task


def main() -> None:
    """Trains until the swarm has finalised `--rounds` rounds, and says how the agreed model does here."""
    options = parsed()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    # Any module whose tensors have the names and shapes of the swarm's task; its layers may do more than the task's do.
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    mine = load_task("digits").open_data(f"digits:part={options.part},of={options.nodes},seed=0")
    loader = DataLoader(mine.training, batch_size=32, shuffle=True)

    with SwarmNode.join(
        options.rpc,
        options.contract,
        options.account,
        store=options.store,
        task="digits",
        model=model,
        evaluate=lambda module: accuracy(module, DataLoader(mine.held_out, batch_size=256)),
    ) as node:
        for round in node.rounds(until=options.rounds):
            for epoch in range(options.epochs):
                if not round.is_open:  # its deadline passed: what was learnt so far is still worth giving
                    break
                loss = train(model, loader)
                logging.info("round %d, epoch %d: loss %.3f", round.number, epoch + 1, loss)
            handed = round.contribute(model, samples=len(mine.training))
            logging.info("round %d: %s", round.number, handed)
        print(f"the agreed model of round {node.head().document.round} here: {node.evaluate()}")


def train(model: nn.Module, loader: DataLoader) -> float:
    """One pass over the examples; the mean loss."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    model.train()
    losses = []
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@torch.no_grad()
def accuracy(model: nn.Module, loader: DataLoader) -> dict[str, float]:
    """The share of digits told right."""
    model.eval()
    found = torch.cat([model(inputs).argmax(dim=1) == targets for inputs, targets in loader])
    return {"accuracy": float(found.float().mean()), "test_samples": len(found)}


def parsed() -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contract", help="the swarm's contract, or an invitation code")
    parser.add_argument("account", help="a keystore's name, or dev0, dev1, … on a development chain")
    parser.add_argument("--rpc", default="http://127.0.0.1:8545")
    parser.add_argument("--store", default="local:store")
    parser.add_argument("--part", type=int, default=0, help="which part of the digits is this node's")
    parser.add_argument("--nodes", type=int, default=2, help="into how many parts they are dealt out")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
