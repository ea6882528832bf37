"""How much each update counts: whole numbers, so that every node finds the same."""

from __future__ import annotations

from collections.abc import Sequence

WHOLE = 10_000
MILLION = 1_000_000


def node_weights(samples: Sequence[int], *, max_samples: int, max_share_bps: int) -> tuple[int, ...]:
    """The updates' integer weights: their samples, capped.

    First each is capped at `max_samples`. Then all are capped at the largest c for which no weight is more than
    `max_share_bps` ten-thousandths of the sum of the capped weights. Where no c at all does that, because there are
    too few updates for such shares, all weigh one.

    >>> node_weights([900, 50, 50], max_samples=10_000, max_share_bps=5_000)
    (100, 50, 50)
    """
    capped = [min(count, max_samples) for count in samples]
    if len(capped) * max_share_bps < WHOLE:
        return (1,) * len(capped)
    cap = _largest_cap(capped, max_share_bps)
    return tuple(min(count, cap) for count in capped)


def shares_of(weights: Sequence[int]) -> tuple[float, ...]:
    """Each weight's part of the whole, rounded once: dividing two integers is exact up to that."""
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def _largest_cap(counts: Sequence[int], max_share_bps: int) -> int:
    # What the shares leave over, bps * sum(min(s, c)) - 10000 * c, is concave in c and not negative at the smallest
    # count: the caps that hold are the ones up to a largest, which halving finds.
    low, high = min(counts), max(counts)
    while low < high:
        middle = (low + high + 1) // 2
        if middle * WHOLE <= max_share_bps * sum(min(count, middle) for count in counts):
            low = middle
        else:
            high = middle - 1
    return low


def weights_of_parts(parts: Sequence[float]) -> tuple[int, ...]:
    """Parts of a result as whole numbers: one for each where all are equal, else in millionths, from one up.

    What has no part has 0, and is rejected.

    >>> weights_of_parts([0.5, 0.0, 0.5]), weights_of_parts([0.75, 0.25, 1e-9])
    ((1, 0, 1), (750000, 250000, 1))
    """
    if len({part for part in parts if part}) == 1:
        return tuple(1 if part else 0 for part in parts)
    return tuple(max(1, round(part * MILLION)) if part else 0 for part in parts)
