"""What other libraries take to merge the updates of `merge.py`: run by it, in the environment of `--peers PYTHON`.

Prints a line of JSON for each rule. Their inputs are in memory before the time starts.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Rule = Callable[[], object]


def load(folder: Path, count: int) -> Array:
    """The updates of a folder, a row each: safetensors whose header says how long it is."""
    rows = []
    for number in range(count):
        data = np.fromfile(folder / f"update-{number}", np.uint8)
        rows.append(data[8 + int.from_bytes(data[:8].tobytes(), "little") :].view(np.float32))
    return np.stack(rows)


def of_byzfl(updates: Array, f: int, threads: int) -> Iterator[tuple[str, str, Rule]]:
    """ByzFL's aggregators, with NumPy and with torch."""
    # Its package imports its training loop, and that torchvision, which merging needs not.
    found = importlib.util.find_spec("byzfl")
    if found is None:
        return
    package = types.ModuleType("byzfl")
    package.__path__ = list(found.submodule_search_locations or ())
    sys.modules["byzfl"] = package
    import torch

    torch.set_num_threads(threads)
    from byzfl.aggregators.aggregators import Average, CenteredClipping, GeometricMedian, Krum, Median, TrMean
    from byzfl.aggregators.preaggregators import NNM

    for kind, given in (("ByzFL, NumPy", updates), ("ByzFL, torch", torch.from_numpy(updates))):
        for name, rule in (
            ("mean", Average()),
            ("coordinate_median", Median()),
            ("trimmed_mean", TrMean(f)),
            ("geometric_median", GeometricMedian()),
            ("krum", Krum(f)),
            ("nearest_neighbour_mixing", NNM(f)),
            ("centered_clipping", CenteredClipping(L=3)),
        ):
            yield kind, name, lambda rule=rule, given=given: rule(given)


def of_flower(updates: Array, f: int) -> Iterator[tuple[str, str, Rule]]:
    """Flower's functions."""
    if importlib.util.find_spec("flwr") is None:
        return
    from flwr.server.strategy.aggregate import aggregate, aggregate_krum, aggregate_median, aggregate_trimmed_avg

    results = [([row], 1) for row in updates]
    for name, rule in (
        ("mean", lambda: aggregate(results)),
        ("coordinate_median", lambda: aggregate_median(results)),
        ("trimmed_mean", lambda: aggregate_trimmed_avg(results, (f + 0.5) / len(updates))),
        ("krum", lambda: aggregate_krum(results, f, 0)),
    ):
        yield "Flower", name, rule


def peak(*, anew: bool = False) -> int:
    """Bytes of the largest resident set so far; `anew` forgets what was before, where the system can."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if anew:
        # A process starts with the largest set of the one that started it.
        Path("/proc/self/clear_refs").write_text("5")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def timed(rule: Rule, repeats: int, before_each: Rule = lambda: None) -> dict[str, float]:
    """The best of some runs, its processors' seconds, and how much memory they took. `before_each` is not timed."""
    runs, before = [], peak(anew=True)
    for _ in range(repeats):
        before_each()
        start, processors = time.perf_counter(), time.process_time()
        rule()
        runs.append((time.perf_counter() - start, time.process_time() - processors))
    return {"seconds": min(runs)[0], "cpu": min(cpu for _, cpu in runs), "memory": peak() - before}


def main() -> None:
    folder, count, f, repeats, name, kind, threads = sys.argv[1:8]
    updates = load(Path(folder), int(count))
    for found_kind, found_name, rule in (*of_byzfl(updates, int(f), int(threads)), *of_flower(updates, int(f))):
        if (found_name, found_kind) != (name, kind):
            continue
        print(json.dumps(timed(rule, int(repeats))))


if __name__ == "__main__":
    main()
