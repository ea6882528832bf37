"""Task `digits`: scikit-learn's handwritten digits (1,797 images of 8 by 8), dealt out to nodes with skewed labels."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from swarm_chain.errors import DataError
from swarm_chain.tasks.base import NodeData, Split, SplitTask
from swarm_chain.tasks.digits_data import Part, Rows, all_rows, is_held_out, is_test, read_rows, write_rows
from swarm_chain.tasks.hyperparameters import Hyperparameters
from swarm_chain.tasks.label_skew import deal_out
from swarm_chain.tasks.metrics import class_metrics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Module
    from torch.utils.data import Dataset

CENTRE, SCALE = 8.0, 24.0**0.5
"""Mean and standard deviation of the values a pixel may have, 0 to 16. Nothing here comes from anybody's data."""

CLASSES = tuple(f"digit_{digit}" for digit in range(10))
MIN_TRAINING_ROWS = 60
CONCENTRATION = 0.5


class Digits(SplitTask):
    """A perceptron with 128 hidden units that tells ten digits apart.

    `open_data` takes the path of a file that `write_part` wrote, or `digits:part=0,of=4,seed=0`: the first of four
    nodes' parts, computed on the spot.
    """

    name: ClassVar[str] = "digits"
    defaults: ClassVar[Hyperparameters] = Hyperparameters(epochs=5, batch_size=32, learning_rate=0.05, momentum=0.9)
    data_example: ClassVar[str] = "digits:part=0,of=4,seed=0"

    def model(self) -> Module:
        """64 pixels to 128 hidden units to 10 scores."""
        from torch.nn import Linear, ReLU, Sequential

        return Sequential(Linear(64, 128), ReLU(), Linear(128, 10))

    def open_data(self, data: str) -> NodeData:
        """The rows of a file or of a computed part; a tenth of them, chosen by their content, held out."""
        if data.startswith(f"{self.name}:"):
            part = Part.parse(data)
            return _node_data(self._part_rows(part.part, nodes=part.of, seed=part.seed))
        return _node_data(read_rows(Path(data)))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the scores."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """`accuracy`, the share of digits told right, `loss`, and `digit_0.recall` and so on where there are enough."""
        predicted = outputs.argmax(dim=1)
        found = {"accuracy": float((predicted == targets).double().mean()), **super().metrics(outputs, targets)}
        return found | class_metrics(predicted, targets, CLASSES, self.group_minimum)

    def split(self, nodes: int, seed: int) -> Split:
        """Disjoint, unequal parts by Dirichlet 0.5 over labels, and the fifth of all rows that is for testing."""
        owners = self._owners(nodes, seed)
        self._require_unseen_test(owners)
        parts = tuple(_node_data(self._rows.where(owners == part)) for part in range(nodes))
        return Split(parts=parts, pooled=_node_data(self._rows.where(owners >= 0)), test=self.test)

    @property
    def test(self) -> Dataset[tuple[Tensor, Tensor]]:
        """The rows that no node has: the same for every number of nodes and every seed."""
        return _dataset(self._rows.where(is_test(self._rows)))

    def write_part(self, path: Path, part: int, *, nodes: int, seed: int) -> None:
        """Writes one node's part, pixels and labels, as an .npz file without pickled objects."""
        write_rows(path, self._part_rows(part, nodes=nodes, seed=seed))

    @cached_property
    def _rows(self) -> Rows:
        return all_rows()

    def _part_rows(self, part: int, *, nodes: int, seed: int) -> Rows:
        if not 0 <= part < nodes:
            raise DataError(f"digits has no part {part} of {nodes}: choose one from 0 to {nodes - 1}")
        return self._rows.where(self._owners(nodes, seed) == part)

    def _owners(self, nodes: int, seed: int) -> NDArray[np.int64]:
        """Which node has each row; -1 for test rows."""
        import numpy as np

        if nodes < 1:
            raise DataError(f"digits cannot be dealt out to {nodes} nodes: choose at least one")
        held_out = is_held_out(self._rows)

        def suffices(owners: NDArray[np.int64]) -> bool:
            """Whether each node has enough to train on, no two as much, and some rows to judge by."""
            training = np.bincount(owners[(owners >= 0) & ~held_out], minlength=nodes)
            judging = np.bincount(owners[(owners >= 0) & held_out], minlength=nodes)
            is_unequal = len(set(training.tolist())) == nodes
            return bool(training.min() >= MIN_TRAINING_ROWS and judging.min() >= 1 and is_unequal)

        return deal_out(
            self._rows.labels,
            ~is_test(self._rows),
            nodes=nodes,
            seed=seed,
            concentration=CONCENTRATION,
            suffices=suffices,
        )

    def _require_unseen_test(self, owners: NDArray[np.int64]) -> None:
        """Raises `DataError` where a node has a test row, or one that looks the same."""
        test, owned = is_test(self._rows), owners >= 0
        seen = self._rows.where(owned).contents() & self._rows.where(test).contents()
        if (test & owned).any() or seen:
            raise DataError("a test row is in a node's part too: install a scikit-learn whose digits are all different")


def _node_data(rows: Rows) -> NodeData:
    held_out = is_held_out(rows)
    return NodeData(training=_dataset(rows.where(~held_out)), held_out=_dataset(rows.where(held_out)))


def _dataset(rows: Rows) -> Dataset[tuple[Tensor, Tensor]]:
    import torch
    from torch.utils.data import TensorDataset

    pixels = torch.tensor(rows.pixels, dtype=torch.float32)
    return TensorDataset((pixels - CENTRE) / SCALE, torch.tensor(rows.labels, dtype=torch.int64))  # type: ignore[return-value]
