"""One CID for each merge, whatever computes it; and memory that neither updates nor parameters fill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarm_chain.core import weights

RULES = (
    "weighted_mean",
    "mean",
    "coordinate_median",
    "trimmed_mean:f=2",
    "geometric_median",
    "krum:f=2",
    "multi_krum:f=2,m=4",
    "centered_clipping",
    "centered_clipping:radius=3.5",
    "weighted_mean:before=norm_clipping",
    "mean:before=nearest_neighbour_mixing,before_f=2",
    "robust:f=2",
    "geometric_median:before=norm_clipping+nearest_neighbour_mixing,before_f=2,step=adam",
    "trimmed_mean:f=1,step=momentum",
)
MACHINE = """
import json, random, sys
from pathlib import Path
folder, threads, block, compiled, *rules = json.loads(sys.argv[1])
if threads == 1:
    import torch  # Its libraries beside NumPy's, as in an agent.
    torch.ones(300, 300) @ torch.ones(300, 300)
from swarm_chain.core.merge import Contribution, merge, parse_rule
from swarm_chain.types import Address
folder = Path(folder)
given = [Contribution(node=Address(path.name.encode().zfill(20)), weights=path, samples=7 * number + 1)
         for number, path in enumerate(sorted(folder.glob("update-*")))]
random.Random(block).shuffle(given)
for rule in rules:
    out, state = folder / f"out-{block}", folder / f"state-{block}"
    done = merge(given, rule=parse_rule(rule), max_samples=30, max_share_bps=3000, out=out, base=folder / "base",
                 state_out=state, block=block, threads=threads, compiled=compiled)
    print(done.file.cid, done.state and done.state.cid, *done.weights.values())
"""


def cpu_features() -> str:
    """The vector instructions that NumPy found here and can do without."""
    core = np._core._multiarray_umath  # type: ignore[attr-defined]
    return " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name))


MACHINES: Sequence[tuple[int, int, bool, dict[str, str]]] = (
    (1, 4096, False, {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}),
    (2, 100, False, {"OPENBLAS_NUM_THREADS": "2", "OPENBLAS_CORETYPE": "Haswell"}),
    (2, 20_000, False, {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": cpu_features()}),
    (3, 8192, False, {"OPENBLAS_CORETYPE": "Nehalem"}),
    (2, 5000, True, {"OPENBLAS_CORETYPE": "Haswell"}),
    (1, 30_000, True, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}),
)


def model(rng: np.random.Generator) -> dict[str, Any]:
    spread = np.float32(10.0) ** rng.integers(-6, 6, (333, 61))
    return {
        "w": rng.normal(size=(333, 61)).astype(np.float32) * spread,
        "half": rng.normal(size=501).astype(np.float16),
        "double": rng.normal(size=99),
        "steps": rng.integers(-(2**62), 2**62, 9),
    }


def test_merge__other_processes_threads_blas_and_instructions__gives_the_same_cids(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    weights.save(model(rng), tmp_path / "base")
    for number in range(7):
        weights.save(model(rng), tmp_path / f"update-{number}")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", MACHINE, json.dumps([str(tmp_path), threads, block, compiled, *RULES])],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        for threads, block, compiled, environment in MACHINES
    ]
    answers = [process.communicate(timeout=300)[0].splitlines() for process in running]
    assert [process.returncode for process in running] == [0] * len(MACHINES)
    for rule, *found in zip(RULES, *answers, strict=True):
        assert len(set(found)) == 1, rule
    assert len(set(answers[0])) == len(RULES)


MEMORY = """
import json, sys, tracemalloc
from pathlib import Path
import numpy as np
from swarm_chain.core import weights
from swarm_chain.core.merge import Contribution, merge, parse_rule
from swarm_chain.types import Address
folder, count, rule = json.loads(sys.argv[1])
folder, given = Path(folder), []
for number in range(count + 1):
    path = folder / str(number)
    with path.open("wb") as stream:
        specs = (weights.TensorSpec("w", "F32", (4_000_000,)),)
        stream.write(weights.header(specs))
        for _ in range(16):
            stream.write(np.full(250_000, number, np.float32).tobytes())
    given.append(Contribution(node=Address(bytes([number]) * 20), weights=path, samples=1))
base = given.pop().weights
tracemalloc.start()
merge(given, rule=parse_rule(rule), max_samples=9, max_share_bps=10000, out=folder / "out", base=base, threads=2,
      compiled=False)
print(tracemalloc.get_traced_memory()[1] / (1 << 20))
"""
MODEL = 16
"""Mebibytes of one update, about."""


@pytest.mark.parametrize("rule", ["coordinate_median", "krum:f=1", "robust"])
def test_merge__few_and_many_updates_in_files__takes_less_than_half_a_model(rule: str, tmp_path: Path) -> None:
    taken = []
    for count in (4, 24):
        given = json.dumps([str(tmp_path), count, rule])
        done = subprocess.run([sys.executable, "-c", MEMORY, given], capture_output=True, text=True, check=True)
        taken.append(float(done.stdout))
    assert max(taken) < MODEL / 2


TAKEN = """
import gc, json, sys, threading, tracemalloc
from pathlib import Path
import numpy as np
from swarm_chain.core import weights
from swarm_chain.core.merge import Contribution, merge, parse_rule
from swarm_chain.types import Address
folder, compiled, half, *rules = json.loads(sys.argv[1])
rng, given = np.random.default_rng(0), []
for number in range(33):
    update = weights.encode({"half": rng.random(half).astype(np.float16), "w": rng.random(300_000, np.float32)})
    given.append(Contribution(node=Address(bytes([number]) * 20), weights=update, samples=1))
def work():
    merge(given[:count], rule=parse_rule(rule), max_samples=1, max_share_bps=10000, out=Path(folder) / "out",
          base=given[32].weights, threads=1, compiled=compiled, sync=False)
for rule in rules:
    for count in (4, 32):
        taken = []
        for _ in range(4):  # The first one also loads what it needs.
            # What a thread keeps ends with it. One: of several, now more results wait to be written and now fewer.
            thread = threading.Thread(target=work)
            gc.collect()
            tracemalloc.start()
            thread.start()
            thread.join()
            taken.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        print(min(taken[1:]))
"""
ALL = [rule.replace("f=2", "f=1") for rule in RULES if "multi_krum" not in rule and "step=" not in rule]


@pytest.mark.deep
@pytest.mark.parametrize(("compiled", "half", "apart"), [(False, 0, 0.05), (True, 0, 0.05), (True, 400_000, 0.2)])
def test_merge__updates_that_are_in_memory__takes_as_much_for_four_as_for_thirty_two(
    compiled: bool, half: int, apart: float, tmp_path: Path
) -> None:
    given = json.dumps([str(tmp_path), compiled, half, *ALL, "multi_krum:f=1,m=2"])
    done = subprocess.run([sys.executable, "-c", TAKEN, given], capture_output=True, text=True, check=True)
    taken = [int(line) for line in done.stdout.split()]
    assert len(taken) == 2 * len(ALL) + 2
    for few, many in zip(taken[::2], taken[1::2], strict=True):
        assert abs(many - few) <= apart * min(few, many)
        assert 2**19 < many < 6 * 2**20
