"""All games of a lab, in several processes."""

from __future__ import annotations

import errno
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace

from swarm_chain.config.threads import ask_for_one_thread
from swarm_chain.errors import DiskFull
from swarm_chain.lab.game import Played
from swarm_chain.lab.job import Job, jobs_of
from swarm_chain.lab.report import LabReport
from swarm_chain.lab.settings import LabSettings

OnPlayed = Callable[[int, int], None]
"""Told how many games were played, and how many there are."""


def run_lab(
    settings: LabSettings,
    *,
    processes: int,
    is_real: bool = False,
    on_played: OnPlayed = lambda played, total: None,
) -> LabReport:
    """The report on all games. The number of processes changes no figure.

    With `is_real` each game is then played again with the real contract and agents, one after the other.
    Raises `DataError` and `DiskFull`, and for real games `ToolMissing` and `DemoFailed`.
    """
    started = time.monotonic()
    jobs = jobs_of(settings)
    total = (1 + is_real) * len(jobs) * len(settings.played)
    games: list[Played] = []
    with _translated():
        for played in _played(jobs, processes):
            games += played
            on_played(len(games), total)
    if is_real:
        first = len(games)
        games = list(_played_again(games, jobs, lambda number: on_played(first + number, total)))
    return LabReport(settings=settings, games=tuple(games), seconds=time.monotonic() - started)


@contextmanager
def _translated() -> Iterator[None]:
    """While inside, a full disk becomes `DiskFull`."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            "no room is left for the files of a game: make room, or set TMPDIR to a folder elsewhere"
        ) from error


def _played(jobs: Sequence[Job], processes: int) -> Iterator[list[Played]]:
    if min(processes, len(jobs)) == 1:
        yield from map(Job.play, jobs)
        return
    ask_for_one_thread()
    # Not forked: torch's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(jobs)), mp_context=context) as pool:
        waiting = [pool.submit(job.play) for job in jobs]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _played_again(games: Sequence[Played], jobs: Sequence[Job], on_played: Callable[[int], None]) -> Iterator[Played]:
    """The same games, with what each ends in on a chain."""
    from swarm_chain.lab.real import play_real

    by_rule_and_seed = {(job.rule, job.deal.seed): job for job in jobs}
    for number, game in enumerate(games, 1):
        # After the round from whose head nobody can train, agents would wait for each other for ever.
        job = replace(by_rule_and_seed[game.rule, game.seed], rounds=len(game.heads))
        yield replace(game, real=play_real(job, game.attack)) if game.heads else game
        on_played(number)
