"""How far a metric of a few examples may be from the metric of all: intervals of 95 %, by score tests where there are.

Intervals of score tests stay within 0 and 1, and keep their width where all or none of a few examples are right.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
_Z: Final = 1.959963984540054
_INSIDE: Final = 1e-9
"""Keeps a root away from an estimate of 0 or 1, where the variance is 0 and the estimate itself would be the root."""

Interval = tuple[float, float]
"""Low and high."""


def of_share(right: int, total: int) -> Interval:
    """Wilson's score interval for `right` of `total`, at least one.

    >>> of_share(10, 10)[0] > 0.7
    True
    """
    from scipy.stats import binomtest

    found = binomtest(right, total).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def of_mean(values: NDArray[np.floating], *, largest: float = 1.0) -> Interval:
    """Student's interval for the mean of at least two values from 0 to `largest`."""
    import numpy as np
    from scipy.stats import t

    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return max(0.0, mean - reach), min(largest, mean + reach)


def of_auroc(auroc: float, positives: int, negatives: int) -> Interval:
    """The score interval for an area under the ROC curve, by Hanley and McNeil's variance (Newcombe 2006, method 5)."""
    from scipy.optimize import brentq

    others = (positives + negatives) / 2 - 1

    def excess(area: float) -> float:
        """How much farther `area` is from the estimate than it may be; 0 at an end of the interval."""
        spread = 1 + others * (1 - area) / (2 - area) + others * area / (1 + area)
        return abs(area - auroc) - _Z * math.sqrt(area * (1 - area) * spread / (positives * negatives))

    inside = min(max(auroc, _INSIDE), 1 - _INSIDE)
    low = float(brentq(excess, 0.0, inside)) if auroc > _INSIDE else 0.0
    high = float(brentq(excess, inside, 1.0)) if auroc < 1 - _INSIDE else 1.0
    return low, high
