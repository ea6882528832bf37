"""Patients of one hospital: its file, what a model sees of them, and which are for testing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swarm_chain.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS: Final = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak"),
    *("slope", "ca", "thal", "num"),
)
DROPPED: Final = ("slope", "ca", "thal")
"""Columns that most hospitals left empty."""
KEPT: Final = tuple(name for name in COLUMNS if name not in DROPPED)
MEASURED: Final = ("age", "trestbps", "chol", "thalach", "oldpeak")
"""Columns of amounts, which each hospital normalises by its own training rows."""
CODES: Final = {
    **dict.fromkeys(("sex", "fbs", "exang"), (0, 1)),
    "cp": (1, 2, 3, 4),
    "restecg": (0, 1, 2),
    "num": (0, 1, 2, 3, 4),
}
"""Columns of codes, and the codes there are."""
MISSING: Final = ("", "?")
TEST_SHARE: Final = 1 / 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Patients:
    """Patients without a missing value. `values` has the columns of `KEPT`, shape (n, 11)."""

    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)

    def column(self, *names: str) -> NDArray[np.float64]:
        """Some columns, of shape (n, how many)."""
        return self.values[:, [KEPT.index(name) for name in names]]

    @property
    def is_ill(self) -> NDArray[np.bool_]:
        """Who has the disease."""
        return self.values[:, KEPT.index("num")] > 0


def read_patients(path: Path) -> Patients:
    """The patients of a file. Raises `DataError`, naming file, line and column, where it cannot be read."""
    import numpy as np

    rows = list(_rows(path, _text(path)))
    if not rows:
        raise DataError(f"{path} has no row without a missing value: give a file that has some")
    return Patients(values=np.array(rows, dtype=np.float64))


def features(patients: Patients, *, training: NDArray[np.bool_]) -> NDArray[np.float32]:
    """What a model sees, shape (n, 15): five amounts, three yes or no, four kinds of pain, three kinds of ECG.

    Amounts have mean 0 and deviation 1 over the training rows; one that does not vary there is centred only.
    """
    import numpy as np

    amounts = patients.column(*MEASURED)
    deviations = amounts[training].std(axis=0)
    deviations[deviations == 0] = 1.0
    parts = [
        (amounts - amounts[training].mean(axis=0)) / deviations,
        patients.column("sex", "fbs", "exang"),
        *(patients.column(name) == CODES[name] for name in ("cp", "restecg")),
    ]
    return np.hstack(parts).astype(np.float32)


def is_test(patients: Patients, *, seed: int) -> NDArray[np.bool_]:
    """Which patients are for testing: a third of the ill and of the others, the same for the same seed.

    Chosen by what a row holds, so that hardly any changes sides when rows are added; equal rows share a side. The
    only patient of a kind is for training.
    """
    import numpy as np

    numbers = _numbers(patients, seed)
    test = np.zeros(len(patients), dtype=bool)
    for kind in (False, True):
        rows = np.flatnonzero(patients.is_ill == kind)
        count = round(TEST_SHARE * len(rows)) if len(rows) > 1 else 0
        if 0 < count < len(rows):
            border = np.sort(numbers[rows])[count]
            test[rows[numbers[rows] < border]] = True
    return test


def _numbers(patients: Patients, seed: int) -> NDArray[np.uint64]:
    """A 64-bit number for each row that depends on its content and the seed alone."""
    import numpy as np

    salt = f"swarm-chain heart test {seed} ".encode()
    rows = patients.values[:, : KEPT.index("num")].astype("<f8")
    return np.array([int.from_bytes(sha256(salt + row.tobytes()).digest()[:8], "big") for row in rows], dtype=np.uint64)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"there is no data file {path}: give the path of one hospital's file") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give the path of one hospital's file") from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = data.count(b",", data.rfind(b"\n", 0, error.start) + 1, error.start) + 1
        raise DataError(f"{path}, line {line}, column {column}: no UTF-8 text; save the file as plain text") from error


def _rows(path: Path, text: str) -> Iterator[list[float]]:
    """The lines that have all values, in order; lines of white space are none."""
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip():
            continue
        fields = [field.strip() for field in content.split(",")]
        if len(fields) != len(COLUMNS):
            raise DataError(
                f"{path}, line {line}, column {min(len(fields), len(COLUMNS)) + 1}: the line has {len(fields)} columns "
                f"and should have {len(COLUMNS)}: {','.join(COLUMNS)}"
            )
        values = [
            _value(path, line, number, name, field)
            for number, (name, field) in enumerate(zip(COLUMNS, fields, strict=True), start=1)
            if name not in DROPPED
        ]
        if all(math.isfinite(value) for value in values):
            yield values


def _value(path: Path, line: int, number: int, name: str, field: str) -> float:
    """A field's number; NaN where it is missing. Raises `DataError` for anything else, and quotes nothing of it."""
    if field in MISSING:
        return math.nan
    where = f"{path}, line {line}, column {number} ({name})"
    try:
        value = float(field)
    except ValueError:
        raise DataError(f"{where}: no number; repair it, or leave the field empty") from None
    if not math.isfinite(value):
        raise DataError(f"{where}: no finite number; repair it, or leave the field empty")
    if name in CODES and value not in CODES[name]:
        codes = ", ".join(map(str, CODES[name]))
        raise DataError(f"{where}: none of {codes}; repair it, or leave the field empty")
    return value
