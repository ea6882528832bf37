"""How a demo looks while it runs: live on a terminal, a line for each thing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from swarm_chain.cli.output import printable, say, span
from swarm_chain.core.metrics import compared_metric
from swarm_chain.types import Phase, RoundNumber

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from swarm_chain.demo import AgentState, DemoSettings, Scene, Screen

_BAR = 12
# Wide enough for what usually stands there, so that columns keep their places.
_COLUMNS = (("node", 8), ("this round", 27), ("samples", 7), ("local model", 16), ("does", 30))


@contextmanager
def open_screen(settings: DemoSettings) -> Iterator[Screen]:
    """Where the demo shows itself: on stderr, so that stdout holds results alone."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield LineScreen()
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield LiveScreen(live, console)


class LiveScreen:
    """A picture that changes, below the lines that stay."""

    def __init__(self, live: Live, console: Console) -> None:
        self._live, self._console = live, console

    def say(self, line: str) -> None:
        """Prints a line above the picture."""
        self._console.print(printable(line), markup=False)

    def show(self, scene: Scene) -> None:
        """Draws the swarm anew."""
        self._live.update(render(scene), refresh=True)


class LineScreen:
    """A line for each round, and for each agent that ends or comes back."""

    def __init__(self) -> None:
        self._round = RoundNumber(0)
        self._ended: set[RoundNumber] = set()
        self._gone: set[str] = set()

    def say(self, line: str) -> None:
        """Prints a line."""
        say(printable(line))

    def show(self, scene: Scene) -> None:
        """Prints what is new."""
        for number in sorted(scene.seconds.keys() - self._ended):
            self.say(_ended_line(number, scene))
        self._ended |= scene.seconds.keys()
        gone = {agent.name for agent in scene.agents if agent.is_gone}
        for agent in scene.agents:
            if agent.name in gone - self._gone:
                self.say(f"{agent.name} is gone: {describe_exit(agent)}; the others go on")
            if agent.name in self._gone - gone:
                self.say(f"{agent.name} is back")
        self._gone = gone


def _ended_line(number: RoundNumber, scene: Scene) -> str:
    measured = [agent.local_metrics for agent in scene.agents if agent.local_metrics]
    metric = compared_metric(measured)
    known = [] if metric is None else [metrics[metric] for metrics in measured]
    local = f", local {metric} {min(known):.3f} to {max(known):.3f}" if known else ""
    return f"round {number} ended after {scene.seconds[number]:.1f} s, {_progress(scene)}{local}"


def _progress(scene: Scene) -> str:
    return f"{scene.view.swarm.finalized_rounds} of {scene.rounds} finalised"


# ------------------------------------------------------------------------------------------------------------ rendering


def render(scene: Scene) -> RenderableType:
    """The swarm and its round in two lines, then a line a node."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    nodes = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, width in _COLUMNS:
        nodes.add_column(heading, min_width=width, no_wrap=True)
    for agent in scene.agents:
        nodes.add_row(*(Text(printable(cell)) for cell in _agent_row(agent)))
    return Group(Text(describe_round(scene), style="bold"), Text(describe_waiting(scene), style="dim"), nodes)


def describe_round(scene: Scene) -> str:
    """The running round in one line: `round 3 of 15: revealing, 0:17 left, 2 of 4 revealed`."""
    current = scene.view.round
    if current.phase == Phase.IDLE:
        return f"{_progress(scene)}, {scene.view.swarm.active_nodes} nodes active"
    left = current.deadline - scene.view.now
    when = f"{span(left)} left" if left > 0 else "deadline passed"
    match current.phase:
        case Phase.TRAINING:
            count = f"{current.commits} of {current.expected} in"
        case Phase.REVEALING:
            count = f"{current.reveals} of {current.commits} revealed"
        case _:
            count = f"{current.leading_attestations} of {current.quorum} attestations"
    return f"round {current.round}, {_progress(scene)}: {current.phase.name.lower()}, {when}, {count}"


def describe_waiting(scene: Scene) -> str:
    """Whom the round waits for."""
    if not scene.waits_for:
        return (
            "waits for the next round to be opened" if scene.view.round.phase == Phase.IDLE else "waits for its close"
        )
    return f"waits for {', '.join(scene.waits_for)} to {scene.act}"


def _agent_row(agent: AgentState) -> Sequence[str]:
    metric = compared_metric([agent.local_metrics])
    return (
        agent.name,
        _bar(agent) or " ".join(agent.done) or "-",
        "-" if agent.samples is None else f"{agent.samples:,}",
        "-" if metric is None else f"{metric} {agent.local_metrics[metric]:.3f}",
        _does(agent),
    )


def _does(agent: AgentState) -> str:
    if agent.is_gone:
        return f"gone: {describe_exit(agent)}"
    if agent.activity is None:
        return "starting"
    note = f" ({agent.activity.note})" if agent.activity.note else ""
    return f"{agent.activity.does}{note}"


def _bar(agent: AgentState) -> str:
    activity = agent.activity
    if agent.is_gone or activity is None or activity.does != "training" or activity.progress is None:
        return ""
    full = round(_BAR * activity.progress)
    return "█" * full + "░" * (_BAR - full)


def describe_exit(agent: AgentState) -> str:
    """How an agent's process ended: `killed by signal 9`."""
    status = agent.exit_status or 0
    return f"killed by signal {-status}" if status < 0 else f"its process ended with status {status}"
