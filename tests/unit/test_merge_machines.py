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
folder, threads, block, *rules = json.loads(sys.argv[1])
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
                 state_out=state, block=block, threads=threads)
    print(done.file.cid, done.state and done.state.cid, *done.weights.values())
"""


def cpu_features() -> str:
    """The vector instructions that NumPy found here and can do without."""
    core = np._core._multiarray_umath  # type: ignore[attr-defined]
    return " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name))


MACHINES: Sequence[tuple[int, int, dict[str, str]]] = (
    (1, 4096, {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}),
    (2, 100, {"OPENBLAS_NUM_THREADS": "2", "OPENBLAS_CORETYPE": "Haswell"}),
    (2, 20_000, {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": cpu_features()}),
    (3, 8192, {"OPENBLAS_CORETYPE": "Nehalem"}),
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
            [sys.executable, "-c", MACHINE, json.dumps([str(tmp_path), threads, block, *RULES])],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        for threads, block, environment in MACHINES
    ]
    answers = [process.communicate(timeout=300)[0].splitlines() for process in running]
    assert [process.returncode for process in running] == [0] * len(MACHINES)
    for rule, *found in zip(RULES, *answers, strict=True):
        assert len(set(found)) == 1, rule
    assert len(set(answers[0])) == len(RULES)


MEMORY = """
import json, resource, sys
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
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
merge(given, rule=parse_rule(rule), max_samples=9, max_share_bps=10000, out=folder / "out", base=base, threads=2)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) / (1024 if sys.platform == "linux" else 1024 ** 2))
"""
MODEL = 16
"""Megabytes of one update."""


@pytest.mark.parametrize("rule", ["coordinate_median", "krum:f=1", "robust"])
def test_merge__few_and_many_updates__takes_less_than_two_models(rule: str, tmp_path: Path) -> None:
    taken = []
    for count in (4, 24):
        given = json.dumps([str(tmp_path), count, rule])
        done = subprocess.run([sys.executable, "-c", MEMORY, given], capture_output=True, text=True, check=True)
        taken.append(float(done.stdout))
    assert max(taken) < 2.2 * MODEL
