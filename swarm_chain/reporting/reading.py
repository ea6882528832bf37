"""A report, read from a chain and a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from swarm_chain.audit import HistoryReader, TransactionRecord, Verdict
from swarm_chain.audit.gas import gas_by_round, gas_uses
from swarm_chain.chronicle import Chronicle, Library, Round, tell
from swarm_chain.ports import UpdateStore
from swarm_chain.reporting.parts import attested, problem_of, takings
from swarm_chain.reporting.report import LocalAgent, Report, ResultEntry, RoundEntry
from swarm_chain.types import Address, BlockNumber, Gas, Timestamp

OnProgress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and how much there is to do."""
Times = Mapping[BlockNumber, Timestamp]


def read_report(
    reader: HistoryReader,
    store: UpdateStore | None,
    *,
    verdict: Verdict | None = None,
    agents: Mapping[Address, LocalAgent] | None = None,
    on_progress: OnProgress = lambda doing, done, total: None,
) -> Report:
    """The report on a swarm as it is in the newest block. Raises what a reader does; documents may be missing.

    `agents` are those on this machine, if any.
    """
    on_progress("reading events", 0, 1)
    pinned = reader.block()
    swarm = reader.swarm_info(pinned.number)
    events = reader.events(pinned.number)
    chronicle = tell(chain_id=reader.chain_id, contract=reader.coordinator, swarm=swarm, events=events)
    on_progress("reading transactions", 0, 1)
    blocks = {event.block_number for event in events} | {reader.deployed_at(pinned.number)}
    transactions = list(reader.transactions(sorted(blocks)))
    library = Library(chronicle, store)
    genesis = library.result(swarm.config.genesis_digest).document
    rounds = tuple(_rounds(chronicle, library, transactions, on_progress))
    return Report(
        chain_id=chronicle.chain_id,
        contract=chronicle.contract,
        block_number=pinned.number,
        block_hash=pinned.hash,
        block_time=pinned.timestamp,
        config=swarm.config,
        task=library.task().document,
        origin=genesis.base if genesis else None,
        head=swarm.head,
        active_nodes=swarm.active_nodes,
        labels=chronicle.labels,
        rounds=rounds,
        results=tuple(_results(chronicle, library, agents or {})),
        gas=gas_uses(transactions),
        problems=tuple(_problems(chronicle, library)),
        verdict=verdict,
        agents=agents or {},
    )


def _rounds(
    chronicle: Chronicle, library: Library, transactions: list[TransactionRecord], on_progress: OnProgress
) -> Iterator[RoundEntry]:
    gas = gas_by_round(transactions)
    times = {one.block_number: one.timestamp for one in transactions}
    task = library.task().document
    max_bytes = task.update.max_bytes if task else None
    for place, round_ in enumerate(chronicle.rounds):
        on_progress(f"reading round {round_.number}", place, len(chronicle.rounds))
        yield _round(round_, library, Gas(gas[round_.number]), times, max_bytes)


def _round(round_: Round, library: Library, gas: Gas, times: Times, max_bytes: int | None) -> RoundEntry:
    return RoundEntry(
        number=round_.number,
        outcome=round_.outcome,
        abort_reason=round_.abort_reason.name.lower() if round_.abort_reason else None,
        base=round_.base,
        result=round_.result,
        opened_at=times.get(round_.opened_in),
        ended_at=times.get(round_.end.block_number) if round_.end else None,
        quorum=round_.quorum,
        attested=attested(round_),
        gas=gas,
        nodes=takings(round_, library, max_bytes),
    )


def _results(chronicle: Chronicle, library: Library, agents: Mapping[Address, LocalAgent]) -> Iterator[ResultEntry]:
    for number, digest in chronicle.results.items():
        said = {node: one.metrics for node, one in library.measured(digest).items()}
        here = {
            node: agent.head_metrics
            for node, agent in agents.items()
            if agent.head == digest and agent.head_metrics and node not in said
        }
        all_ = said | here
        sites = {node: all_[node] for node in chronicle.labels if node in all_}
        yield ResultEntry(round=number, digest=digest, sites=sites, here=frozenset(here))


def _problems(chronicle: Chronicle, library: Library) -> Iterator[str]:
    """A line for each document that the report does without."""
    if problem := problem_of(library.task()):
        yield f"task: {problem}"
    for round_ in chronicle.rounds:
        if round_.result is not None and (problem := problem_of(library.result(round_.result))):
            yield f"result of round {round_.number}: {problem}"
        for node in sorted(round_.reveals):
            if problem := problem_of(library.update(round_, node)):
                yield f"update of 0x{node.hex()} in round {round_.number}: {problem}"
