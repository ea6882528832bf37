"""Files of hospitals with patients who never were, in the format of the task `heart`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from swarm_chain.tasks.heart_files import CHECKSUMS


def write_hospital(path: Path, *, ill: int, well: int, seed: int = 0) -> Path:
    """Writes one hospital's file: first those who are ill, then those who are well."""
    random = np.random.default_rng(seed)
    lines = [_line(random, num=1 + row % 4) for row in range(ill)] + [_line(random, num=0) for _ in range(well)]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_hospitals(folder: Path) -> Path:
    """Writes four hospitals' files, one of them with a single patient who is well."""
    for seed, (name, (ill, well)) in enumerate(zip(CHECKSUMS, [(40, 50), (30, 50), (20, 1), (40, 20)], strict=True)):
        write_hospital(folder / name, ill=ill, well=well, seed=seed)
    return folder


def _line(random: np.random.Generator, *, num: int) -> str:
    """A patient. Pain of kind 4 and a low heart rate go with the disease."""
    ill = num > 0
    codes = {"sex": random.integers(2), "fbs": random.integers(2), "restecg": random.integers(3)}
    pain = 4 if random.random() < (0.8 if ill else 0.2) else random.integers(1, 4)
    rate = random.integers(90, 150) if ill else random.integers(120, 190)
    amounts = random.integers(30, 80), random.integers(90, 180), random.integers(150, 300)
    return (
        f"{amounts[0]},{codes['sex']},{pain},{amounts[1]},{amounts[2]},{codes['fbs']},{codes['restecg']},{rate},"
        f"{random.integers(2)},{random.integers(0, 40) / 10},?,?,?,{num}"
    )
