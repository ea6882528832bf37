"""Keeping a folder at the newest model that a swarm agreed on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarm_chain.models.card import card_path, model_card
from swarm_chain.models.export import write_text
from swarm_chain.models.folder import ABOUT, MODEL, ModelFolder
from swarm_chain.models.line import Elsewhere, line_of
from swarm_chain.models.reading import Agreed, SwarmReading
from swarm_chain.models.weights import Fetched, fetch_model
from swarm_chain.ports import Chain, UpdateStore
from swarm_chain.types import Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where models come from: a swarm's chain and store. Heads are taken `depth` blocks below the newest one."""

    chain: Chain
    store: UpdateStore
    depth: int
    elsewhere: Elsewhere


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulled:
    """A model that came, and the folder that it lies in."""

    agreed: Agreed
    version: Path


class Puller:
    """Looks at a swarm again and again, and brings what is new into a folder that is open."""

    def __init__(self, connect: Callable[[], Origin], folder: ModelFolder) -> None:
        """`connect` is called until it succeeds, and then no more."""
        self._connect, self._folder = connect, folder
        self._origin: Origin | None = None
        self._head: Digest | None = None

    def pull(self) -> Pulled | None:
        """The newest model, if it was not the current one. Raises what chains and stores do; then nothing changed."""
        origin = self._origin = self._origin or self._connected()
        if origin.chain.look(depth=origin.depth).swarm.head == self._head:
            return None
        reading = SwarmReading(origin.chain, origin.store, depth=origin.depth)
        agreed = reading.agreed()
        pulled = None
        if not self._folder.holds(agreed):
            version = self._folder.add(agreed, lambda made: _fill(made, reading, agreed, origin.elsewhere))
            pulled = Pulled(agreed=agreed, version=version)
        self._head = agreed.digest
        return pulled

    def _connected(self) -> Origin:
        origin = self._connect()
        self._folder.claim(origin.chain.chain_id, origin.chain.coordinator)
        return origin


def _fill(folder: Path, reading: SwarmReading, agreed: Agreed, elsewhere: Elsewhere) -> None:
    """Writes a model's weights, its card, and what programs want to know of it."""
    weights = folder / MODEL
    fetched = fetch_model(reading.store, agreed.document, agreed.task, weights)
    line = list(line_of(reading, elsewhere, start=agreed.digest))
    card = model_card(reading, agreed, line, weights=weights, name=MODEL, fetched=fetched)
    write_text(card_path(weights), card)
    document = about(reading, agreed, fetched)
    write_text(folder / ABOUT, json.dumps(document, indent=2, sort_keys=True) + "\n")


def about(reading: SwarmReading, agreed: Agreed, fetched: Fetched) -> Mapping[str, Any]:
    """What a model is, for programs, as `schemas/model.schema.json` describes it."""
    return {
        "chain_id": reading.chronicle.chain_id,
        "contract": "0x" + reading.chronicle.contract.hex(),
        "round": agreed.number,
        "finalized_at": reading.finalized_at(agreed.round),
        "result": {"digest": "0x" + agreed.digest.hex(), "cid": str(agreed.cid)},
        "task": {"name": agreed.task.name, "cid": str(agreed.task.cid())},
        "weights": str(agreed.document.weights),
        "frozen_weights": fetched.frozen and str(fetched.frozen),
        "file": {"name": MODEL, "sha256": fetched.sha256},
    }
