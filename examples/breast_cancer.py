"""A task of one's own: whether a tumour is malignant, by thirty measures of its cells.

    swarm-chain demo --task examples/breast_cancer.py:BreastCancer --rounds 5

deals out the 569 rows that scikit-learn brings. Files of your own, thirty columns of measures and a last one that is
0 or 1, are given as --data, each node's once. docs/how-to/your-own-task.md says all that a task can do.
"""

import torch
from sklearn.datasets import load_breast_cancer
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from swarm_chain.tasks import Hyperparameters, Task, read_table

MEASURES = 30
RADIUS = 0
"""Where the mean radius stands among the measures."""


class BreastCancer(Task):
    """A perceptron behind a batch norm whose statistics are each node's own: hospitals' machines differ."""

    defaults = Hyperparameters(epochs=3, batch_size=16, learning_rate=0.01, optimizer="adam", keep_optimizer=True)
    classes = ("benign", "malignant")
    data_example = "breast-cancer"
    private = ("norm.running_mean", "norm.running_var", "norm.num_batches_tracked")

    def model(self) -> nn.Module:
        """Measures to the scores of benign and malignant."""
        model = nn.Sequential()
        model.add_module("norm", nn.BatchNorm1d(MEASURES, affine=False))
        model.add_module("body", nn.Sequential(nn.Linear(MEASURES, 16), nn.ReLU(), nn.Linear(16, len(self.classes))))
        return model

    def dataset(self, data: str) -> TensorDataset:
        """The rows of a file, or scikit-learn's."""
        if data == self.data_example:
            inputs, is_benign = load_breast_cancer(return_X_y=True)
            return TensorDataset(torch.from_numpy(inputs).float(), torch.from_numpy(1 - is_benign).long())
        rows = read_table(data)
        return TensorDataset(rows[:, :-1].float(), rows[:, -1].long())

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the scores."""
        return nn.functional.cross_entropy(outputs, targets)

    def groups(self, inputs: Tensor) -> dict[str, Tensor]:
        """Large tumours and small ones, measured by themselves too."""
        is_large = inputs[:, RADIUS] > 15
        return {"large": is_large, "small": ~is_large}
