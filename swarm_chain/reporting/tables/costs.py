"""Tables of gas and bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from swarm_chain.reporting.report import Report
from swarm_chain.reporting.tables.table import MOST_ROWS, Cell, Table, cut, node_cell
from swarm_chain.reporting.words import Names, size
from swarm_chain.types import Address


def gas_by_call_table(report: Report) -> Table:
    """A row a call, and all together."""
    calls: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for use in report.gas:
        calls[use.call][0] += use.transactions
        calls[use.call][1] += use.gas
    rows = [_gas_row(call, count, gas) for call, (count, gas) in sorted(calls.items())]
    total = _gas_row("all", sum(use.transactions for use in report.gas), report.gas_total)
    return Table(columns=["call", "transactions", "gas", "gas each"], rows=rows, summary=total)


def _gas_row(call: str, transactions: int, gas: int) -> list[Cell]:
    each = f"{gas // transactions:,}" if transactions else "-"
    return [Cell(text=text) for text in (call, f"{transactions:,}", f"{gas:,}", each)]


def gas_by_account_table(report: Report, names: Names) -> Table:
    """A row an account: what it paid for altogether."""
    accounts: dict[Address, list[int]] = defaultdict(lambda: [0, 0])
    for use in report.gas:
        accounts[use.account][0] += use.transactions
        accounts[use.account][1] += use.gas
    in_order = sorted(accounts.items(), key=lambda item: -item[1][1])
    rows = [[node_cell(node, names), *_amounts(*both)] for node, both in in_order[:MOST_ROWS]]
    return Table(columns=["account", "transactions", "gas"], rows=rows, note=cut(len(in_order)))


def _amounts(*amounts: int) -> Iterator[Cell]:
    yield from (Cell(text=f"{amount:,}") for amount in amounts)


def bytes_table(report: Report, names: Names) -> Table:
    """A row a node: its updates, its peers' updates, and what its agent counted where it runs on this machine."""
    put: dict[Address, int] = defaultdict(int)
    fetched: dict[Address, int] = defaultdict(int)
    for round_ in report.rounds:
        for one in round_.nodes:
            put[one.node] += one.put or 0
            fetched[one.node] += one.fetched or 0
    columns = ["node", "its updates", "its peers' updates"]
    if report.agents:
        columns += ["agent sent", "agent received", "its data"]
    rows = [
        [
            node_cell(node, names),
            Cell(text=size(put[node])),
            Cell(text=size(fetched[node])),
            *_counted(report, node),
        ]
        for node in list(report.labels)[:MOST_ROWS]
    ]
    return Table(columns=columns, rows=rows, note=cut(len(report.labels)))


def _counted(report: Report, node: Address) -> Iterator[Cell]:
    if report.agents:
        agent = report.agents.get(node)
        counts = (agent.traffic.up, agent.traffic.down, agent.data_bytes) if agent else (None, None, None)
        yield from (Cell(text="-" if count is None else size(count)) for count in counts)
