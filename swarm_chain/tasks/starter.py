"""A swarm's task: what is trained, and on what.

Try it:        swarm-chain demo --task my_task.py:MyTask
Use it:        swarm-chain deploy --task my_task.py:MyTask

This one file is what others read and accept before they join: it may import any package that is installed on every
node, and nothing that lies beside it. docs/how-to/your-own-task.md says all that a task can do.
"""

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from swarm_chain.tasks import Hyperparameters, NodeData, Task, read_table, standardised

COLUMNS = 13


class MyTask(Task):
    """Which of three growers a wine comes from, by its chemistry."""

    # What training is told. `swarm-chain deploy --set epochs=3` changes one; all nodes then have the same.
    # optimizer: sgd, adam, adamw. device: auto takes a GPU where there is one. precision: float32, bfloat16, float16.
    defaults = Hyperparameters(epochs=2, batch_size=16, learning_rate=0.01, optimizer="adam", device="auto")

    # What to call the classes, for metrics. Leave it away where the task is none of telling classes apart.
    classes = ("grower_0", "grower_1", "grower_2")

    # What `--data` takes, for people who give none; the demo deals it out to its nodes.
    data_example = "wine"

    # Tensors that never leave their node, and tensors that nobody trains, by their names in the model's state dict:
    # private = ("head.*",)
    # frozen = ("body.0.*",)

    def model(self) -> nn.Module:
        """The model, anew. All nodes start from the same parameters."""
        return nn.Sequential(nn.Linear(COLUMNS, 32), nn.ReLU(), nn.Linear(32, len(self.classes)))

    def dataset(self, data: str) -> TensorDataset:
        """This node's examples: pairs of input and target. `data` is what --data says. Part of them is held out.

        It is read again in every round: rows that you add are trained on in the next one.
        """
        if data == "wine":
            return wine()
        # A CSV file whose first line names its columns, the last of them the class: 0, 1 or 2.
        rows = read_table(data)
        return TensorDataset(rows[:, :-1], rows[:, -1].long())

    def prepare(self, data: NodeData) -> NodeData:
        """The examples as the model sees them: each column with mean 0 and deviation 1 over this node's training rows.

        What is told by all rows belongs here, and not above: held-out rows are chosen in between, by what they hold.
        """
        return standardised(data)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What training makes smaller."""
        return nn.functional.cross_entropy(outputs, targets)

    # Also yours to define, where the defaults do not suit: train(), optimizer(), metrics(), groups(), open_data().


def wine() -> TensorDataset:
    """The 178 wines that scikit-learn ships."""
    from sklearn.datasets import load_wine

    inputs, targets = load_wine(return_X_y=True)
    return TensorDataset(torch.from_numpy(inputs), torch.from_numpy(targets).long())
