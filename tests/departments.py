"""Departments' files of ratings, made up by a rule that can be learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swarm_chain.tasks.courses_rows import CODES, write_ratings

STUDENTS = 40
LECTURERS = 20
"""How many of them a department has; students are the same everywhere."""


def ratings_of(department: int, *, rows: int) -> NDArray[np.int64]:
    """A department's ratings: a student's leniency and a lecturer's quality, both by their numbers, and chance."""
    random = np.random.default_rng(department)
    students = random.integers(1, STUDENTS + 1, rows)
    lecturers = random.integers(1 + LECTURERS * department, 1 + LECTURERS * (department + 1), rows)
    codes = [random.choice(list(CODES[name]), rows) for name in ("studage", "lectage", "service")]
    likings = np.where(students % 2, 1.0, -1.0) + np.where(lecturers % 2, 0.7, -0.7) + random.normal(0, 0.3, rows)
    return np.stack([students, lecturers, *codes, (3 + likings).round().clip(1, 5)], axis=1).astype(np.int64)


def write_departments(folder: Path, number: int = 3) -> list[str]:
    """The files of some departments, the first with 150 ratings, each with 50 more than the one before."""
    paths = [folder / f"department-{part}.csv" for part in range(number)]
    for part, path in enumerate(paths):
        write_ratings(path, ratings_of(part, rows=150 + 50 * part))
    return [str(path) for path in paths]
