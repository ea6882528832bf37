"""`swarm-chain pins`: what stores keep of a swarm, and letting go of old weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.options import Place, place_options, store_option
from swarm_chain.cli.output import checksum, show, table

if TYPE_CHECKING:
    from swarm_chain.core.cids import Cid
    from swarm_chain.core.retention import Past, Retention
    from swarm_chain.ports import Chain, UpdateStore
    from swarm_chain.status.pins import RoundPins
    from swarm_chain.types import Address


@click.command()
@click.argument("contract", metavar="[ADDRESS|NAME]", required=False)
@click.option(
    "--node", "node_name", metavar="NAME", help="A node here: its configuration says contract, RPC and stores."
)
@click.option("--prune", is_flag=True, help="Let go of weights that the last rounds do not need. Needs --keep-weights.")
@click.option(
    "--keep-weights",
    metavar="K",
    type=click.IntRange(min=0),
    help="With --prune: the last K rounds can then still be re-executed. 0 keeps the head's weights only.",
)
@store_option
@place_options
def pins(
    contract: str | None,
    node_name: str | None,
    prune: bool,
    keep_weights: int | None,
    stores: tuple[str, ...],
    place: Place,
) -> None:
    """List what stores keep of a swarm, and let go of old weights.

    By round: on an IPFS node what is pinned, in a folder what is there. Documents and the head's weights are never let
    go of, nor what another swarm's documents name. Without the weights of a round and of the result before it, its
    merge can no longer be re-executed from these stores: an audit then says INCOMPLETE of it, unless another store has
    them.
    """
    if prune != (keep_weights is not None):
        raise click.UsageError("--prune and --keep-weights K go together.")
    kept = _open(place, contract, stores, node_name, writable=prune)
    click.echo(f"swarm  {checksum(kept.chain.coordinator)} on chain {kept.chain.chain_id}")
    if keep_weights is not None:
        kept.prune(keep_weights)
    kept.show()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """A swarm and the stores that are looked at; `own` are accounts of this machine's nodes."""

    chain: Chain
    stores: tuple[UpdateStore, ...]
    past: Past
    own: tuple[Address, ...]

    def read(self, cid: Cid) -> bytes | None:
        """A document, from the first store that has it itself."""
        return next((store.get(cid) for store in self.stores if store.has(cid)), None)

    def show(self) -> None:
        """Prints what each store keeps, and what can be re-executed."""
        from swarm_chain.status.pins import everything, pins_by_round

        rounds = pins_by_round(self.past, self.read)
        together: frozenset[Cid] = frozenset()
        for store in self.stores:
            pinned = store.pinned(everything(rounds))
            together |= pinned
            click.echo(f"\n{store.name}")
            show(table("round", "documents", "weights", "can be re-executed", rows=list(_rows(rounds, pinned))))
        for line in _summary(rounds, together):
            click.echo(line)

    def prune(self, keep: int) -> None:
        """Lets each store let go of old weights, and prints what it did."""
        from swarm_chain.core.retention import Keeper

        retention = Keeper(self.past, keep=keep, read=self.read, own=self.own).due()
        if retention is None:
            click.echo(f"there are no weights that the last {keep} rounds do not need")
            return
        for store in self.stores:
            if store.is_writable:
                click.echo(f"{store.name}: {_prune(store, retention)}")


def _prune(store: UpdateStore, retention: Retention) -> str:
    before = store.pinned(retention.files)
    store.prune(retention)
    gone = before - store.pinned(before)
    if not gone:
        return "there was nothing to let go of"
    files = "1 file" if len(gone) == 1 else f"{len(gone):,} files"
    space = "; the node frees the space when it collects rubbish" if store.name.startswith("kubo:") else ""
    return f"let go of {files} of weights{space}"


def _open(place: Place, contract: str | None, stores: Sequence[str], node_name: str | None, *, writable: bool) -> _Kept:
    from swarm_chain.adapters.stores import open_store
    from swarm_chain.cli.connect import connect, find_contract, found_by_node, store_specs
    from swarm_chain.core.retention import Past
    from swarm_chain.types import RoundFinalized, UpdateRevealed

    own: tuple[Address, ...] = ()
    if node_name is None:
        found = find_contract(place, contract)
        specs: Sequence[str] = store_specs(stores)
    else:
        found, node = found_by_node(place, contract, node_name)
        specs, own = stores or node.stores, (node.account,)
    chain = connect(found)
    config = chain.swarm_info().config
    past = Past(task=config.task_digest, genesis=config.genesis_digest)
    past.add(chain.events(kinds=(RoundFinalized, UpdateRevealed)))
    opened = tuple(open_store(spec, writable=writable) for spec in dict.fromkeys(specs))
    return _Kept(chain=chain, stores=opened, past=past, own=own)


# --------------------------------------------------------------------------------------------------------------- people


def _rows(rounds: Sequence[RoundPins], pinned: Collection[Cid]) -> Iterator[tuple[object, ...]]:
    for one in rounds:
        again = "yes" if one.can_be_reexecuted(pinned) else "no" if one.is_final and one.round else ""
        yield _name(one), _share(one.documents, pinned), _share(one.files, pinned), again


def _name(one: RoundPins) -> str:
    if one.round == 0:
        return "0 (start)"
    return str(one.round) if one.is_final else f"{one.round} (no result)"


def _share(cids: Collection[Cid], pinned: Collection[Cid]) -> str:
    return f"{sum(cid in pinned for cid in cids)} of {len(cids)}"


def _summary(rounds: Sequence[RoundPins], pinned: Collection[Cid]) -> Iterator[str]:
    from swarm_chain.status.pins import rounds_in_words

    final = [one for one in rounds if one.is_final and one.round]
    can = [one.round for one in final if one.can_be_reexecuted(pinned)]
    cannot = [one.round for one in final if not one.can_be_reexecuted(pinned)]
    if can:
        yield f"rounds that can be re-executed from here: {rounds_in_words(can)}"
    if cannot:
        yield f"rounds that can no longer be re-executed from here: {rounds_in_words(cannot)}"
