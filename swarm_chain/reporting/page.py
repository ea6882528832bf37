"""A report as one HTML file: no scripts, nothing that is loaded from anywhere, every word escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarm_chain.chronicle import Outcome, mean_of
from swarm_chain.core.cids import document_cid
from swarm_chain.reporting.charts.axes import Axes
from swarm_chain.reporting.charts.bars import draw_bars
from swarm_chain.reporting.charts.curves import COLOURS, draw_curves, frame_of
from swarm_chain.reporting.charts.drawing import Drawing
from swarm_chain.reporting.charts.grid import draw_grid
from swarm_chain.reporting.charts.sites import draw_sites
from swarm_chain.reporting.report import Report, ResultEntry
from swarm_chain.reporting.series import Chosen, Measurements, Series, agreed, choose_metrics, own, series_of
from swarm_chain.reporting.tables.costs import bytes_table, gas_by_account_table, gas_by_call_table
from swarm_chain.reporting.tables.metrics import MOST_SITES, group_table, head_table, series_table
from swarm_chain.reporting.tables.rounds import node_table, round_table
from swarm_chain.reporting.tables.table import Table
from swarm_chain.reporting.words import Names, apart, moment, number, short, shown, size
from swarm_chain.types import Address

GENERATOR: Final = '<meta name="generator" content="swarm-chain report">'
"""What every page has near its top."""
MOST_PROBLEMS: Final = 50
"""Documents that are named among those that cannot be had."""

_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A drawing with a caption, and its table."""

    caption: str
    drawing: Drawing
    table: Table


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricSection:
    """One metric: of the agreed models, of what nodes trained themselves, and site by site."""

    name: str
    figures: Sequence[Figure]
    sites: Sequence[tuple[str, Drawing]]
    has_intervals: bool
    is_main: bool


def render(report: Report) -> str:
    """The page. The same report gives the same bytes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    environment.filters["shown"] = shown
    values = _values(report)
    # Ours, and the only thing on the page that is not escaped.
    return environment.get_template("page.html").render(style=Markup(style), policy=_policy(style), **values)  # noqa: S704


def identity(report: Report) -> str:
    """What tells reports on one swarm from those on others: chain, contract and genesis."""
    return f"{report.chain_id} 0x{report.contract.hex()} 0x{report.config.genesis_digest.hex()}"


def _policy(style: str) -> str:
    """A content security policy under which nothing runs and nothing is loaded: the page's own style sheet is used."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _values(report: Report) -> Mapping[str, object]:
    names, chosen = Names(report.labels), choose_metrics(report)
    styles = site_styles(report)
    return {
        "identity": identity(report),
        "title": f"{shown(report.task.name) if report.task else 'Swarm'} {short(report.contract)}",
        "facts": list(_facts(report)),
        "tiles": list(_tiles(report)),
        "verdict": report.verdict,
        "contract": f"0x{report.contract.hex()}",
        "head": _head(report, names, chosen),
        "metrics": [_section(name, report, names, styles) for name in chosen.whole],
        "grouped": [_section(name, report, names, styles) for name in chosen.grouped],
        "left_out": chosen.left_out,
        "taking_part": draw_grid(report, names) if report.rounds and report.labels else None,
        "rounds": round_table(report, names),
        "nodes": node_table(report, names),
        "gas": _amounts("gas of each round", report, lambda one: one.gas, lambda gas: f"{gas:,.0f}"),
        "gas_tables": [gas_by_call_table(report), gas_by_account_table(report, names)],
        "bytes": _amounts("bytes of each round's updates", report, lambda one: one.put, lambda put: size(round(put))),
        "bytes_table": bytes_table(report, names),
        "problems": report.problems[:MOST_PROBLEMS],
        "more_problems": max(0, len(report.problems) - MOST_PROBLEMS),
    }


def site_styles(report: Report) -> dict[Address, str]:
    """A colour and dash pattern for each node; none where there are more nodes than these."""
    nodes = list(report.labels)
    return {node: f"s{place}" for place, node in enumerate(nodes)} if len(nodes) <= COLOURS else {}


# -------------------------------------------------------------------------------------------------------------- the top


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "contract", f"0x{report.contract.hex()} on chain {report.chain_id}"
    yield "read at", f"block {report.block_number}, {moment(report.block_time)}"
    head = (
        "unknown" if report.head_round is None else f"of round {report.head_round}" if report.head_round else "genesis"
    )
    yield "head", f"{document_cid(report.head)} ({head})"
    if report.task:
        yield "task", shown(report.task.name)
        yield "merged by", shown(report.task.merge.rule)
        yield (
            "trained with",
            ", ".join(f"{shown(key)} {shown(str(value))}" for key, value in report.task.training.items()),
        )
    if report.origin:
        yield "goes on from", f"{report.origin}, a result of an earlier swarm"
    kind = "sealed: commit, then reveal" if report.config.is_sealed else "direct: submitted in one step"
    yield "updates", kind
    yield (
        "quorum",
        f"{report.config.quorum_bps / 100:g} % of the nodes expected, and {report.config.min_updates} updates",
    )


def _tiles(report: Report) -> Iterator[tuple[str, str]]:
    aborted = sum(one.outcome is Outcome.ABORTED for one in report.rounds)
    yield "rounds finalised", f"{report.finalized}"
    if aborted:
        yield "aborted", f"{aborted}"
    yield f"nodes, {report.active_nodes} of them active", f"{len(report.labels)}"
    if report.compared and (means := _means(report, report.compared)):
        yield f"{shown(report.compared)}, mean of the sites", f"{number(means[0])} → {number(means[-1])}"
    yield "gas", f"{report.gas_total:,}"
    yield "bytes of updates", size(sum(one.put for one in report.rounds))


def _means(report: Report, metric: str) -> list[float]:
    found = (mean_of(metric, one.sites.values()) for one in report.measured)
    return [mean.value for mean in found if mean]


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """How the newest model that was measured does, site by site."""

    title: str
    table: Table
    all: Table | None
    groups: Table | None
    sentence: str
    notes: Sequence[str]


def _head(report: Report, names: Names, chosen: Chosen) -> Head | None:
    if not report.measured:
        return None
    newest = report.measured[-1]
    which = "the genesis" if newest.round == 0 else f"the result of round {newest.round}"
    return Head(
        title=f"How {which} does at each site",
        table=head_table(newest, chosen.whole, names, report.compared, most=MOST_SITES),
        all=head_table(newest, chosen.whole, names, report.compared) if len(newest.sites) > MOST_SITES else None,
        groups=group_table(newest, chosen.grouped, names) if chosen.grouped else None,
        sentence=_sentence(report, names),
        notes=list(_head_notes(report, newest)),
    )


def _head_notes(report: Report, newest: ResultEntry) -> Iterator[str]:
    if newest.here:
        yield "Scored by agents on this machine; nodes put it into documents in the next round."
    elif report.head_round is not None and report.head_round > newest.round:
        yield f"The head, of round {report.head_round}, was not measured yet: nodes do so in the next round."


def _sentence(report: Report, names: Names) -> str:
    """Where the newest measured model does worst, and how far that is from the best."""
    from swarm_chain.core.metrics import is_better

    values = report.measured[-1].of(report.compared) if report.compared else {}
    if len(values) < 2:
        return ""
    low, high = (end(values, key=lambda node: values[node]) for end in (min, max))
    worst, best = (low, high) if is_better(report.compared or "", values[high], values[low]) else (high, low)
    distance = number(abs(values[best] - values[worst]))
    return (
        f"By {shown(report.compared or '')} it is worst at {apart(names.of(worst))} ({number(values[worst])}), "
        f"{distance} from the best, {apart(names.of(best))} ({number(values[best])})."
    )


# ------------------------------------------------------------------------------------------------------------- sections


def _section(metric: str, report: Report, names: Names, styles: Mapping[Address, str]) -> MetricSection:
    order = list(report.labels)
    of_agreed, of_own = (_series(metric, one, order) for one in (agreed(report), own(report)))
    captions = ((of_agreed, "the agreed model"), (of_own, "each node's own update"))
    measured = [(series, what) for series, what in captions if series.rounds]
    frame = frame_of([series for series, _ in measured])
    figures = [_figure(series, frame, what, names, styles) for series, what in measured]
    sites = draw_sites(of_agreed, of_own if of_own.rounds else None, names, styles) if of_agreed.rounds else {}
    return MetricSection(
        name=shown(metric, 60),
        figures=figures,
        sites=[(names.of(node), drawing) for node, drawing in sites.items()] if len(order) > 1 else [],
        has_intervals=of_agreed.has_intervals,
        is_main=metric == report.compared,
    )


def _series(metric: str, measurements: Measurements, order: Sequence[Address]) -> Series:
    return series_of(metric, measurements, order)


def _figure(series: Series, frame: Axes, what: str, names: Names, styles: Mapping[Address, str]) -> Figure:
    drawing = draw_curves(series, frame, names, styles, what)
    return Figure(caption=what, drawing=drawing, table=series_table(series, names))


def _amounts(title: str, report: Report, amount: Callable[..., int], say: Callable[[float], str]) -> Drawing | None:
    amounts = [(one.number, amount(one)) for one in report.rounds]
    return draw_bars(title, amounts, say) if amounts else None
