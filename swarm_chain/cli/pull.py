"""`swarm-chain pull`: the newest agreed model in a folder, once or for as long as it runs."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.models import contract_and_path
from swarm_chain.cli.options import Place, place_options, read_store_option
from swarm_chain.cli.output import printable, say
from swarm_chain.cli.params import DURATION
from swarm_chain.errors import (
    ChainUnavailable,
    ConfigurationError,
    DeploymentError,
    NotACoordinator,
    SwarmChainError,
    WrongChain,
)
from swarm_chain.types import Seconds

if TYPE_CHECKING:
    from swarm_chain.models.pulling import Origin, Pulled, Puller

_HOPELESS = (ConfigurationError, DeploymentError, NotACoordinator, WrongChain)
"""What waiting does not help against, where it happens at the start."""


@click.command()
@click.argument("names", metavar="[ADDRESS|NAME] FOLDER", nargs=-1, required=True)
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C or SIGTERM: whenever the head moves, pull it.")
@click.option(
    "--every",
    type=DURATION,
    default="15s",
    show_default=True,
    help="With --follow: how long to wait between two looks.",
)
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many models stay in the folder, the newest included.",
)
@read_store_option
@place_options
def pull(
    names: tuple[str, ...], follow: bool, every: Seconds, keep: int, stores: tuple[str, ...], place: Place
) -> None:
    """Keep the newest agreed model in a folder, for those who only use it.

    Needs no account and no data. FOLDER/current leads to a folder with model.safetensors, its card, and model.json,
    which says what it is; it is replaced in one step, so that nobody reads half a file, or files of two rounds. With
    --follow it goes on where chain or store are away, and ends in order, with 0. The contract may be left out where the
    chain has one deployment.
    """
    from swarm_chain.models.folder import ModelFolder
    from swarm_chain.models.pulling import Puller

    contract, path = contract_and_path(names, "the folder to keep the model in")
    folder = ModelFolder(Path(path).absolute(), keep=keep)
    with folder.opened():
        puller = Puller(lambda: _connect(place, contract, stores, folder.root), folder)
        if follow:
            _follow(puller, every)
        else:
            _say_pulled(puller.pull(), folder.root)


def _connect(place: Place, contract: str | None, stores: Sequence[str], folder: Path) -> Origin:
    """The swarm to pull from, written down among those that this machine knows."""
    from swarm_chain.cli.connect import connect, evidence_of, find_contract, store_specs
    from swarm_chain.cli.known import remember_pull
    from swarm_chain.cli.models import on_same_chain
    from swarm_chain.models.pulling import Origin

    found = find_contract(place, contract)
    store = evidence_of(found, stores)
    chain = connect(found)
    remember_pull(folder, found, store_specs(stores))
    return Origin(chain=chain, store=store, depth=found.target.confirmations, elsewhere=on_same_chain(found, store))


def _say_pulled(pulled: Pulled | None, root: Path) -> None:
    if pulled is None:
        say(f"{root / 'current'} is the newest agreed model already")
        return
    number = pulled.agreed.number
    which = f"round {number}" if number else "the genesis"
    click.echo(f"{which}  {pulled.agreed.cid}  {printable(str(pulled.version))}")


# ----------------------------------------------------------------------------------------------------------- following


def _follow(puller: Puller, every: Seconds) -> None:
    """Pulls until told to end."""
    teller = _Teller(every)
    with _ending_in_order():
        while True:
            pulled = teller.tried(puller.pull)
            if pulled is not None:
                _say_pulled(pulled, pulled.version.parent)
            time.sleep(every)


class _Teller:
    """Says what goes wrong when it begins, and when it is over; not every time in between."""

    def __init__(self, every: Seconds) -> None:
        self._every = every
        self._problem: str | None = None
        self._has_worked = False

    def tried(self, pull: Callable[[], Pulled | None]) -> Pulled | None:
        """What a pull gave; None where it failed. Raises what waiting does not help against."""
        try:
            pulled = pull()
        except SwarmChainError as error:
            if not self._has_worked and isinstance(error, _HOPELESS):
                raise
            self._say(error)
            return None
        if self._problem is not None:
            say("it works again")
        self._problem, self._has_worked = None, True
        return pulled

    def _say(self, error: SwarmChainError) -> None:
        line = printable(" ".join(str(error).split()))
        if line != self._problem:
            what = "the chain is away" if isinstance(error, ChainUnavailable) else "the newest model cannot be had"
            say(f"{what}, and is tried again every {self._every} s: {line}")
        self._problem = line


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Ends what is inside at Ctrl-C and SIGTERM, without an error. What was being written is removed."""

    def end(number: int, frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        say("ended; the folder holds the newest model that came")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
