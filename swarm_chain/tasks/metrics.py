"""Metrics that mean something to people: with intervals, by class, by group.

A metric `m` with an interval of 95 % is three numbers: `m`, `m_low`, `m_high`. One of a class or a group is named
`group.m`. One that is undefined for the examples at hand is left out, and the log says why.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from swarm_chain.tasks import intervals
from swarm_chain.tasks.intervals import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

log = logging.getLogger(__name__)

THRESHOLD = 0.5
"""From which probability on an example is called positive."""


def classification_metrics(outputs: Tensor, targets: Tensor, names: Sequence[str], minimum: int) -> dict[str, float]:
    """What there is to say of two classes, or of more: accuracy with its interval, and recall by class.

    `outputs` are scores of shape (n, classes); of two classes also the log-odds of the second, (n,) or (n, 1).
    """
    if outputs.ndim == 1 or outputs.shape[1] == 1:
        return binary_metrics(outputs.flatten().sigmoid(), targets.flatten())
    if len(names) == 2:
        return binary_metrics(outputs.softmax(dim=1)[:, 1], targets)
    predicted = outputs.argmax(dim=1)
    is_right = (predicted == targets).numpy()
    found = _with_interval("accuracy", float(is_right.mean()), _of_shares(is_right))
    return found | class_metrics(predicted, targets, names, minimum)


def binary_metrics(probabilities: Tensor, targets: Tensor) -> dict[str, float]:
    """Accuracy, AUROC, sensitivity, specificity and Brier score, each with its interval.

    `probabilities` are those of class 1, `targets` 0 or 1, both of shape (n,).
    """
    from sklearn.metrics import accuracy_score, brier_score_loss

    given, truth = probabilities.double().numpy(), targets.long().numpy()
    called = (given >= THRESHOLD).astype("int64")
    found = _with_interval("accuracy", float(accuracy_score(truth, called)), _of_shares(truth == called))
    brier = float(brier_score_loss(truth, given, pos_label=1))
    interval = intervals.of_mean((given - truth) ** 2) if len(truth) > 1 else None
    found |= _with_interval("brier", brier, interval)
    return found | _of_positives(called, truth) | _of_negatives(called, truth) | _ranking(given, truth)


def regression_metrics(predicted: Tensor, targets: Tensor) -> dict[str, float]:
    """`rmse`, the root of the mean squared error, and `mae`, the mean error without its sign, each with its interval.

    Both tensors hold amounts, of shape (n,).
    """
    import numpy as np
    from sklearn.metrics import mean_absolute_error, mean_squared_error

    given, truth = predicted.double().numpy(), targets.double().numpy()
    errors = np.abs(given - truth)
    of_squares, of_errors = _of_amounts(errors**2), _of_amounts(errors)
    of_root = of_squares and (math.sqrt(of_squares[0]), math.sqrt(of_squares[1]))
    found = _with_interval("rmse", math.sqrt(mean_squared_error(truth, given)), of_root)
    return found | _with_interval("mae", float(mean_absolute_error(truth, given)), of_errors)


def class_metrics(predicted: Tensor, targets: Tensor, names: Sequence[str], minimum: int) -> dict[str, float]:
    """`NAME.recall` for each class that has enough examples: the share of them that were told right, with its interval.

    Both tensors hold class numbers, of shape (n,).
    """
    from sklearn.metrics import recall_score

    called, truth = predicted.long().numpy(), targets.long().numpy()
    enough = [number for number in range(len(names)) if (truth == number).sum() >= minimum]
    too_few = [f"{name}.recall" for number, name in enumerate(names) if number not in enough]
    _leave_out(too_few, len(truth), f"fewer than {minimum} of the class")
    if not enough:
        return {}
    found: dict[str, float] = {}
    shares = recall_score(truth, called, labels=enough, average=None)
    for number, share in zip(enough, shares, strict=True):
        interval = _of_shares(called[truth == number] == number)
        found |= _with_interval(f"{names[number]}.recall", float(share), interval)
    return found


def group_metrics(
    groups: Mapping[str, Tensor], minimum: int, measure: Callable[[Tensor], Mapping[str, float]]
) -> dict[str, float]:
    """`GROUP.m` for each metric m of each group that has enough examples. `groups` tell which examples are in them.

    Fewer than `minimum` say little about a model and much about the few.
    """
    found: dict[str, float] = {}
    for name, members in groups.items():
        size = int(members.sum())
        if size < minimum:
            _leave_out([f"{name}.*"], len(members), f"the group has {size} of them, and {minimum} are needed")
            continue
        found |= {f"{name}.{metric}": value for metric, value in measure(members).items()}
    return found


def _of_positives(called: NDArray[np.int64], truth: NDArray[np.int64]) -> dict[str, float]:
    from sklearn.metrics import recall_score

    if not (truth == 1).any():
        return _leave_out(["sensitivity"], len(truth), "there is no positive one")
    share = float(recall_score(truth, called, pos_label=1))
    return _with_interval("sensitivity", share, _of_shares(called[truth == 1] == 1))


def _of_negatives(called: NDArray[np.int64], truth: NDArray[np.int64]) -> dict[str, float]:
    from sklearn.metrics import recall_score

    if not (truth == 0).any():
        return _leave_out(["specificity"], len(truth), "there is no negative one")
    share = float(recall_score(truth, called, pos_label=0))
    return _with_interval("specificity", share, _of_shares(called[truth == 0] == 0))


def _ranking(given: NDArray[np.float64], truth: NDArray[np.int64]) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    positives = int((truth == 1).sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return _leave_out(["auroc"], len(truth), "they are all of one class")
    area = float(roc_auc_score(truth, given))
    return _with_interval("auroc", area, intervals.of_auroc(area, positives, negatives))


def _of_shares(is_right: NDArray[np.bool_]) -> Interval:
    return intervals.of_share(int(is_right.sum()), len(is_right))


def _of_amounts(amounts: NDArray[np.floating]) -> Interval | None:
    return intervals.of_mean(amounts, largest=math.inf) if len(amounts) > 1 else None


def _with_interval(name: str, value: float, interval: Interval | None) -> dict[str, float]:
    if interval is None:
        return {name: value}
    return {name: value, f"{name}_low": interval[0], f"{name}_high": interval[1]}


def _leave_out(names: Sequence[str], examples: int, reason: str) -> dict[str, float]:
    """No metrics; the log says why."""
    if names:
        log.info("left out for these %d examples: %s (%s)", examples, ", ".join(names), reason)
    return {}
