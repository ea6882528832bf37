"""Rows dealt out to nodes so that each sees some labels often and others hardly ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from swarm_chain.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRIES = 2000


def deal_out(
    labels: NDArray[np.integer],
    available: NDArray[np.bool_],
    *,
    nodes: int,
    seed: int,
    concentration: float,
    suffices: Callable[[NDArray[np.int64]], bool],
) -> NDArray[np.int64]:
    """The number of the node that has each row, -1 where not available. Same arguments, same deal.

    Each label's rows are shared by a draw from a Dirichlet distribution, as is usual for measuring federated
    learning (Hsu, Qi and Brown 2019); deals are drawn until one suffices. Raises `DataError` where none does.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    for _ in range(TRIES):
        owners = _deal(labels, available, nodes, concentration, random)
        if suffices(owners):
            return owners
    raise DataError(f"the data set is too small to be dealt out to {nodes} nodes: choose fewer")


def _deal(
    labels: NDArray[np.integer],
    available: NDArray[np.bool_],
    nodes: int,
    concentration: float,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    import numpy as np

    owners = np.full(len(labels), -1, dtype=np.int64)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(available & (labels == label)))
        shares = random.dirichlet(np.full(nodes, concentration))
        cuts = (np.cumsum(shares)[:-1] * len(rows)).astype(np.int64)
        for node, part in enumerate(np.split(rows, cuts)):
            owners[part] = node
    return owners
