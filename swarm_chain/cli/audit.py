"""`swarm-chain audit`: every round executed again, and a verdict that a stranger can check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.merges import describe_merge
from swarm_chain.cli.options import Place, json_option, read_store_option
from swarm_chain.cli.output import checksum, printable, say, show, table, write_json
from swarm_chain.cli.params import FILE_DIGEST
from swarm_chain.types import Digest

if TYPE_CHECKING:
    from rich.console import RenderableType

    from swarm_chain.audit import AncestorReport, AuditReport, Finding, FindReaders, RoundReport, Step, Verdict
    from swarm_chain.audit.auditor import OnProgress
    from swarm_chain.cli.connect import Target

EXIT_STATUS = {"PASS": 0, "FAIL": 1, "INCOMPLETE": 3}
"""2 is wrong usage, as everywhere."""

_COLOURS = {"PASS": "green", "FAIL": "red", "INCOMPLETE": "yellow"}
_NAMES_SHOWN = 4


@click.command()
@click.argument("contract", metavar="[ADDRESS|NAME]", required=False)
@read_store_option
@click.option(
    "--round",
    "rounds",
    metavar="N",
    type=click.IntRange(min=1),
    multiple=True,
    help="Execute only this round again; may be given again. Events are always looked at in full.",
)
@click.option(
    "--block", metavar="N", type=click.IntRange(min=0), help="Look at the swarm as it was at this block, not now."
)
@click.option(
    "--work-dir",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where weights are kept meanwhile; the system's temporary folder unless told.",
)
@click.option(
    "--no-ancestors",
    is_flag=True,
    help="Leave out the earlier swarms whose results this one comes from; a note says so.",
)
@click.option(
    "--ancestor-rpc",
    metavar="URL",
    multiple=True,
    help="RPC endpoint of another chain, on which an earlier swarm lies; may be given again.",
)
@click.option(
    "--accept-rule",
    "accepted_rules",
    type=FILE_DIGEST,
    multiple=True,
    help="Run the swarm's merge rule, which is source code, if this is its digest: `swarm-chain task show` has both.",
)
@json_option
@click.option(
    "--rpc", metavar="URL", multiple=True, help="RPC endpoint of the chain; may be given again: all must agree."
)
@click.option("--network", metavar="NAME", help="A network by its name in the settings, instead of --rpc.")
@click.pass_context
def audit(
    ctx: click.Context,
    contract: str | None,
    stores: tuple[str, ...],
    rounds: tuple[int, ...],
    block: int | None,
    work_dir: Path | None,
    no_ancestors: bool,
    ancestor_rpc: tuple[str, ...],
    accepted_rules: tuple[Digest, ...],
    json_file: Path | None,
    rpc: tuple[str, ...],
    network: str | None,
) -> None:
    """Re-run every round of a swarm, from a chain and a store alone.

    The contract's code, its events, every document and every merge are checked; nothing but the report is written.
    What no store given has is read from the nodes themselves, where they announced that they serve it.
    Where the swarm comes from a result of an earlier one, that one is audited too, up to that round.
    The contract may be left out where the chain has one deployment.

    Exit status: 0 PASS, 1 FAIL, 3 INCOMPLETE (bytes that no store has), 2 wrong usage.
    """
    if rpc and network:
        raise click.UsageError("give --rpc or --network, not both.")
    if no_ancestors and ancestor_rpc:
        raise click.UsageError("give --no-ancestors or --ancestor-rpc, not both.")
    place, others = Place(rpc=rpc, network=network), None if no_ancestors else ancestor_rpc
    with _progress() as on_progress:
        report = _run(place, contract, stores, rounds, block, work_dir, others, accepted_rules, on_progress)
    if json_file:
        write_json(json_file, report.document())
    if str(json_file) != "-":
        print_report(report)
    ctx.exit(EXIT_STATUS[report.verdict])


def _run(
    place: Place,
    contract: str | None,
    stores: Sequence[str],
    rounds: Sequence[int],
    block: int | None,
    work_dir: Path | None,
    others: Sequence[str] | None,
    accepted_rules: Sequence[Digest],
    on_progress: OnProgress,
) -> AuditReport:
    """The report; `others` are endpoints of ancestors' chains, None leaves ancestors out."""
    from swarm_chain import audit as auditing
    from swarm_chain.adapters.web3_history import Web3History
    from swarm_chain.artifacts import load_artifact
    from swarm_chain.cli.connect import evidence_of, find_contract

    found = find_contract(place, contract)
    return auditing.audit(
        [Web3History(url, found.contract) for url in dict.fromkeys(found.target.rpc_urls)],
        evidence_of(found, stores),
        artifact=load_artifact(),
        rounds=rounds or None,
        block=block,
        work_dir=work_dir,
        on_progress=on_progress,
        accepted_rules=accepted_rules,
        find_readers=None if others is None else _finder(found.target, others),
    )


def _finder(target: Target, others: Sequence[str]) -> FindReaders:
    """The endpoints of a chain: those that the command reads, and those given for ancestors, each asked whose it is."""
    from swarm_chain.adapters.ethereum.endpoints import Endpoints
    from swarm_chain.adapters.web3_history import Web3History

    chains: dict[int, list[str]] = defaultdict(list)
    for url in dict.fromkeys(target.rpc_urls):
        chains[target.chain_id].append(url)
    for url in dict.fromkeys(others):
        urls = chains[Endpoints([url]).chain_id]
        urls += [url] if url not in urls else []
    return lambda chain_id, contract: [Web3History(url, contract) for url in chains.get(chain_id, ())]


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """Shows what an audit is at: a bar on a terminal, else a line a round."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _say_step
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("reaching the chain", total=1)
        yield lambda step: bars.update(bar, description=step.doing, completed=step.done, total=max(1, step.total))


def _say_step(step: Step) -> None:
    if step.doing.startswith("executing"):
        say(f"{step.doing} ({step.done + 1} of {step.total})")


# ------------------------------------------------------------------------------------------------------------- printing


def print_report(report: AuditReport) -> None:
    """Prints the report for people: its scope, a line a round, what was found, what it cost, and the verdict.

    A section for each earlier swarm that it comes from stands before the verdict.
    """
    _print_swarm(report)
    if report.gas:
        show(gas_table(report))
    for one in report.ancestors:
        _print_ancestor(one)
    click.secho(_conclusion(report, report.verdict), fg=_COLOURS[report.verdict], bold=True)


def _print_swarm(report: AuditReport) -> None:
    for line in _scope_lines(report):
        click.echo(line)
    if report.rounds:
        show(_rounds_table(report))
    if counted := _last_counted(report):
        show(_counted_table(counted, report))
    for finding in _without_repeats(report):
        click.echo(_finding_line(finding, report))
    for where, note in _notes(report):
        click.echo(f"note  {where}: {printable(note)}")


def _print_ancestor(ancestor: AncestorReport) -> None:
    click.echo(f"\ncomes from {ancestor.link}{_which(ancestor)}")
    if ancestor.audit is not None:
        _print_swarm(ancestor.audit)
    for finding in ancestor.findings:
        click.echo(_finding_line(finding, ancestor.audit))
    for note in ancestor.notes:
        click.echo(f"note  {printable(note)}")
    said = "" if ancestor.audit is None else _conclusion(ancestor.audit, ancestor.verdict)
    click.secho(said or ancestor.verdict, fg=_COLOURS[ancestor.verdict])
    click.echo()


def _which(ancestor: AncestorReport) -> str:
    result = ancestor.result
    if result is None:
        return ""
    if result.contract is None:
        return ", a genesis"
    return f", the result of round {result.round} of {checksum(result.contract)} on chain {result.chain}"


def _scope_lines(report: AuditReport) -> Iterator[str]:
    from swarm_chain.core.cids import document_cid

    scope = report.scope
    yield f"contract  {checksum(scope.contract)} on chain {scope.chain_id}"
    yield f"block     {scope.block_number}  0x{scope.block_hash.hex()}"
    yield f"head      {document_cid(scope.head)} ({scope.finalized_rounds} rounds finalised)"
    yield f"endpoints {'  '.join(scope.endpoints)}"
    yield f"store     {scope.store}"
    is_ours = "the coordinator's, byte for byte" if report.is_coordinator else "NOT the coordinator's"
    yield f"code      {is_ours}"
    if report.merge is not None:
        yield f"merge     {describe_merge(report.merge)}"


def _rounds_table(report: AuditReport) -> RenderableType:
    rows = [_round_row(one) for one in (report.genesis, *report.rounds)]
    return table("round", "verdict", "outcome", "updates", "attested", "merge", "gas", rows=rows)


def _round_row(one: RoundReport) -> Sequence[str]:
    from swarm_chain.audit import Outcome

    if one.outcome is Outcome.GENESIS:
        return "0", one.verdict, "genesis", "-", "-", "-", "-"
    outcome = one.outcome.value if one.abort_reason is None else f"aborted: {one.abort_reason.replace('_', ' ')}"
    updates = f"{one.revealed} of {one.expected}" if one.included is None else f"{one.included} of {one.revealed}"
    merge = "-" if one.outcome is not Outcome.FINALIZED else "same bytes" if one.reexecuted else "not confirmed"
    return str(one.number), one.verdict, outcome, updates, f"{one.attested} of {one.quorum}", merge, f"{one.gas:,}"


def _last_counted(report: AuditReport) -> RoundReport | None:
    """The last round in which updates counted for something."""
    return next((one for one in reversed(report.rounds) if one.counted), None)


def _counted_table(one: RoundReport, report: AuditReport) -> RenderableType:
    """What each update of a round's result counted for, beside the samples that its node claims."""
    whole = sum(each.weight for each in one.counted)
    rows = [
        (_name(each.node, report), f"{each.samples:,}", f"{each.weight:,}", f"{100 * each.weight / whole:.1f} %")
        for each in one.counted
    ]
    return table(f"included in round {one.number}", "samples, it says", "counts for", "share", rows=rows)


def _without_repeats(report: AuditReport) -> Iterator[Finding]:
    """The findings; those that say the same of several rounds once."""
    said = set()
    for finding in report.all_findings:
        key = (finding.fault, finding.message, finding.nodes)
        if key not in said:
            said.add(key)
            yield finding


def _finding_line(finding: Finding, report: AuditReport | None) -> str:
    verdict = finding.fault.verdict
    where = "swarm" if finding.round is None else "genesis" if finding.round == 0 else f"round {finding.round}"
    nodes = ", ".join(_name(node, report) for node in finding.nodes[:_NAMES_SHOWN])
    more = f" and {len(finding.nodes) - _NAMES_SHOWN} more" if len(finding.nodes) > _NAMES_SHOWN else ""
    whom = f"  {nodes}{more}" if nodes else ""
    shown = click.style(verdict, fg=_COLOURS[verdict], bold=True)
    return f"{shown}  {where}{whom}  {finding.fault}: {printable(finding.message)}"


def _notes(report: AuditReport) -> Iterator[tuple[str, str]]:
    yield from (("swarm", note) for note in report.notes)
    yield from (("genesis", note) for note in report.genesis.notes)
    yield from ((f"round {one.number}", note) for one in report.rounds for note in one.notes)


def _name(node: bytes, report: AuditReport | None) -> str:
    address = checksum(node)
    short = f"{address[:6]}…{address[-4:]}"
    label = {bytes(known): label for known, label in report.labels.items()}.get(node) if report else None
    return f"{printable(label)} ({short})" if label else short


def gas_table(report: AuditReport) -> RenderableType:
    """What the swarm's transactions cost: a line a call, then one for each account that paid."""
    calls: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    accounts: dict[bytes, int] = defaultdict(int)
    for use in report.gas:
        calls[use.call][0] += use.transactions
        calls[use.call][1] += use.gas
        accounts[use.account] += use.gas
    rows = [(call, f"{count:,}", f"{gas:,}", f"{gas // count:,}") for call, (count, gas) in sorted(calls.items())]
    rows.append(("all", f"{sum(n for n, _ in calls.values()):,}", f"{sum(g for _, g in calls.values()):,}", ""))
    payers = sorted((_name(account, report), gas) for account, gas in accounts.items())
    rows += [(f"  paid by {name}", "", f"{gas:,}", "") for name, gas in payers]
    return table("call", "transactions", "gas", "gas each", rows=rows)


def _conclusion(report: AuditReport, verdict: Verdict) -> str:
    from swarm_chain.audit import Outcome, Verdict

    count = {outcome: sum(one.outcome is outcome for one in report.rounds) for outcome in Outcome}
    same = sum(one.reexecuted for one in report.rounds)
    what = f"{count[Outcome.FINALIZED]} rounds finalised, {same} executed again with the same bytes"
    if count[Outcome.ABORTED]:
        what += f", {count[Outcome.ABORTED]} aborted"
    if count[Outcome.RUNNING]:
        what += ", 1 still running"
    found = len(list(_without_repeats(report)))
    if report.own_verdict is not Verdict.PASS:
        what += f"; {found} finding{'' if found == 1 else 's'}, see above"
    if report.ancestors:
        of_ancestors = [one.verdict for one in report.ancestors]
        what += f"; what it comes from: {', '.join(of_ancestors)}"
    return f"{verdict}  {what}"
