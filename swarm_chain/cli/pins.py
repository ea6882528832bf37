"""`swarm-chain pins`: what stores keep of a swarm, and letting go of old weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarm_chain.cli.options import Place, json_option, place_options, store_option
from swarm_chain.cli.output import checksum, say, show, table, write_json
from swarm_chain.errors import StoreUnavailable

if TYPE_CHECKING:
    from swarm_chain.core.cids import Cid
    from swarm_chain.core.retention import Past, Retention
    from swarm_chain.ports import Chain, UpdateStore
    from swarm_chain.status.pins import RoundPins
    from swarm_chain.types import Address, RoundNumber


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
@json_option
def pins(
    contract: str | None,
    node_name: str | None,
    prune: bool,
    keep_weights: int | None,
    stores: tuple[str, ...],
    place: Place,
    json_file: Path | None,
) -> None:
    """List what stores keep of a swarm, and let go of old weights.

    By round: on an IPFS node what is pinned, in a folder what is there. Documents and the head's weights are never let
    go of, nor what another swarm's documents name. Without the weights of a round and of the result before it, its
    merge can no longer be re-executed from these stores: an audit then says INCOMPLETE of it, unless another store has
    them. What an IPFS node no longer pins is there until it collects rubbish.
    """
    if prune != (keep_weights is not None):
        raise click.UsageError("--prune and --keep-weights K go together.")
    swarm = _open(place, contract, stores, node_name, writable=prune)
    is_for_programs = str(json_file) == "-"
    tell = say if is_for_programs else click.echo
    tell(f"swarm  {checksum(swarm.chain.coordinator)} on chain {swarm.chain.chain_id}")
    gone = swarm.prune(keep_weights, tell) if keep_weights is not None else None
    found = swarm.look()
    if json_file:
        write_json(json_file, document_of(swarm, found, gone))
    if not is_for_programs:
        _show(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """The rounds of a swarm, and what each store keeps of them, by its name."""

    rounds: Sequence[RoundPins]
    by_store: Mapping[str, frozenset[Cid]]

    def reexecutable(self) -> tuple[list[RoundNumber], list[RoundNumber]]:
        """The rounds with a result that can be re-executed from what stores keep together, and those that cannot."""
        together: frozenset[Cid] = frozenset().union(*self.by_store.values())
        final = [one for one in self.rounds if one.is_final and one.round]
        can = [one.round for one in final if one.can_be_reexecuted(together)]
        return can, [one.round for one in final if one.round not in can]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Swarm:
    """A swarm and the stores that are looked at; `own` are accounts of this machine's nodes."""

    chain: Chain
    stores: tuple[UpdateStore, ...]
    past: Past
    own: tuple[Address, ...]

    def read(self, cid: Cid) -> bytes | None:
        """A document, from the first store that has it itself."""
        return next((store.get(cid) for store in self.stores if store.has(cid)), None)

    def look(self) -> Kept:
        """What each store keeps. Raises `StoreUnavailable` where one cannot be asked."""
        from swarm_chain.status.pins import everything, pins_by_round

        rounds = pins_by_round(self.past, self.read)
        wanted = everything(rounds)
        return Kept(rounds=rounds, by_store={store.name: store.pinned(wanted) for store in self.stores})

    def prune(self, keep: int, tell: Callable[[str], object]) -> Mapping[str, int]:
        """Lets each store that can be written to let go of old weights, tells it, and says how many files each did.

        Raises `StoreUnavailable` where one failed, or there is none.
        """
        from swarm_chain.core.retention import Keeper

        writable = [store for store in self.stores if store.is_writable]
        if not writable:
            raise StoreUnavailable("none of these stores is yours to prune; name a folder or an IPFS node with --store")
        retention = Keeper(self.past, keep=keep, read=self.read, own=self.own).due()
        if retention is None:
            tell(f"there are no weights that the last {keep} rounds do not need")
            return {}
        gone: dict[str, int] = {}
        for store in writable:
            gone[store.name] = _prune(store, retention)
            tell(f"{store.name}: {_gone_in_words(store, gone[store.name])}")
        return gone


def _prune(store: UpdateStore, retention: Retention) -> int:
    before = store.pinned(retention.files)
    store.prune(retention)
    return len(before - store.pinned(before))


def _gone_in_words(store: UpdateStore, count: int) -> str:
    if not count:
        return "there was nothing to let go of"
    files = "1 file" if count == 1 else f"{count:,} files"
    space = "; the node frees the space when it collects rubbish" if store.name.startswith("kubo:") else ""
    return f"let go of {files} of weights{space}"


def _open(
    place: Place, contract: str | None, stores: Sequence[str], node_name: str | None, *, writable: bool
) -> _Swarm:
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
    return _Swarm(chain=chain, stores=opened, past=past, own=own)


# --------------------------------------------------------------------------------------------------------------- people


def _show(found: Kept) -> None:
    """Prints what each store keeps, and what can be re-executed from that."""
    from swarm_chain.status.pins import rounds_in_words

    for name, kept in found.by_store.items():
        click.echo(f"\n{name}")
        show(table("round", "documents", "weights", "enough to re-execute", rows=list(_rows(found.rounds, kept))))
    can, cannot = found.reexecutable()
    if can:
        click.echo(f"rounds that can be re-executed from what is kept here: {rounds_in_words(can)}")
    if cannot:
        click.echo(f"rounds that can no longer be re-executed from what is kept here: {rounds_in_words(cannot)}")


def _rows(rounds: Sequence[RoundPins], kept: Collection[Cid]) -> Iterator[tuple[object, ...]]:
    for one in rounds:
        again = "yes" if one.can_be_reexecuted(kept) else "no" if one.is_final and one.round else ""
        yield _name(one), _share(one.documents, kept), _share(one.files, kept), again


def _name(one: RoundPins) -> str:
    if one.round == 0:
        return "0 (start)"
    return str(one.round) if one.is_final else f"{one.round} (no result)"


def _share(cids: Collection[Cid], kept: Collection[Cid]) -> str:
    return f"{_count(cids, kept)} of {len(cids)}"


def _count(cids: Collection[Cid], kept: Collection[Cid]) -> int:
    return sum(cid in kept for cid in cids)


# ------------------------------------------------------------------------------------------------------------- programs


def document_of(swarm: _Swarm, found: Kept, gone: Mapping[str, int] | None) -> Mapping[str, Any]:
    """What stores keep for programs, as `schemas/pins.schema.json` describes it."""
    can, cannot = found.reexecutable()
    return {
        "chain_id": swarm.chain.chain_id,
        "contract": "0x" + swarm.chain.coordinator.hex(),
        "stores": [
            {
                "store": name,
                "let_go": None if gone is None else gone.get(name, 0),
                "rounds": [_round(one, kept) for one in found.rounds],
            }
            for name, kept in found.by_store.items()
        ],
        "reexecutable": can,
        "not_reexecutable": cannot,
    }


def _round(one: RoundPins, kept: Collection[Cid]) -> Mapping[str, Any]:
    return {
        "round": one.round,
        "has_result": one.is_final,
        "documents": {"kept": _count(one.documents, kept), "of": len(one.documents)},
        "weights": {"kept": _count(one.files, kept), "of": len(one.files)},
        "reexecutable": one.can_be_reexecuted(kept) if one.is_final and one.round else None,
    }
