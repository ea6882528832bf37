"""Task `courses`: how students rate lecturers (InstEval, 73,421 ratings at ETH Zurich), one node a department."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from swarm_chain.errors import DataError, TaskError
from swarm_chain.ports import Progress
from swarm_chain.tasks.base import NodeData, Split, SplitTask
from swarm_chain.tasks.batches import count
from swarm_chain.tasks.courses_rows import CODES, COLUMNS, departments, is_test, read_ratings, write_ratings
from swarm_chain.tasks.hyperparameters import Hyperparameters
from swarm_chain.tasks.metrics import regression_metrics
from swarm_chain.tasks.optimizers import make_optimizer
from swarm_chain.tasks.pooling import pool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer
    from torch.utils.data import Dataset

CIRCUMSTANCES = ("studage", "lectage", "service")
CODES_OF_CIRCUMSTANCES = sum(len(CODES[name]) for name in CIRCUMSTANCES)
SERVICE = CODES_OF_CIRCUMSTANCES - 1
"""The last of these codes: the lecture was held for another department."""


@dataclass(frozen=True, kw_only=True)
class CoursesHyperparameters(Hyperparameters):
    """`learning_rate` is for lecturers, `weight_decay` for students.

    `lecturer_prior` is how many ratings it takes until a lecturer's own count as much as being average.
    """

    student_rate: float = 0.4
    circumstance_rate: float = 0.001
    lecturer_prior: float = 3.0

    def __post_init__(self) -> None:
        """Refuses what no training can use."""
        super().__post_init__()
        self._require(self.student_rate > 0, "student_rate", "above 0")
        self._require(self.circumstance_rate > 0, "circumstance_rate", "above 0")
        self._require(self.lecturer_prior >= 0, "lecturer_prior", "at least 0")


class Courses(SplitTask):
    """A number for each student, lecturer and circumstance; what a department learns of its lecturers stays there.

    `open_data` takes the path of one department's file. Which ratings are held out follows from the seed; the same are
    for testing.
    """

    name: ClassVar[str] = "courses"
    defaults: ClassVar[Hyperparameters] = CoursesHyperparameters(
        epochs=4, batch_size=64, learning_rate=0.15, weight_decay=0.0004
    )
    hyperparameters: CoursesHyperparameters
    data_example: ClassVar[str] = "department-1.csv"
    private: ClassVar[tuple[str, ...]] = ("lecturers.*",)
    part_file: ClassVar[str] = "ratings.csv"
    usual_nodes: ClassVar[int] = 14
    alone_at_best: ClassVar[bool] = True
    takes_sources: ClassVar[bool] = True

    def seeded(self, seed: int) -> Self:
        """The same task and files, started from another seed."""
        return super().seeded(seed).dealing(self.sources)

    def dealing(self, sources: Sequence[str]) -> Self:
        """The same task, dealing out files, one a department."""
        made = type(self)(self.hyperparameters)
        made.sources = tuple(str(Path(source).absolute()) for source in sources)
        return made

    def model(self) -> Module:
        """All start in the middle of the scale. Numbers of students and lecturers begin at 1, so row 0 is nobody's."""
        from swarm_chain.tasks.recommender import Recommender

        return Recommender(
            students=CODES["s"].stop,
            lecturers=CODES["d"].stop,
            circumstances=CODES_OF_CIRCUMSTANCES,
            level=(CODES["y"].start + CODES["y"].stop - 1) / 2,
        )

    def open_data(self, data: str) -> NodeData:
        """The ratings in a file, a fifth of them held out."""
        return self._department(read_ratings(Path(data)))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean squared error."""
        from torch.nn.functional import mse_loss

        return mse_loss(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """`loss`, and `rmse` and `mae`, in points of the scale from 1 to 5, with intervals of 95 %."""
        return {**regression_metrics(outputs, targets), **super().metrics(outputs, targets)}

    def groups(self, inputs: Tensor) -> dict[str, Tensor]:
        """Lectures for the lecturer's own department, and for others."""
        is_service = inputs[:, -1] == SERVICE
        return {"own_department": ~is_service, "service": is_service}

    def optimizer(self, model: Module) -> Optimizer:
        """One rate for lecturers, another for students, a low one for the level and the circumstances.

        A student's number moves once for each department that has rows of the student, and the merge takes a share of
        each move. What every row moves, departments would pull apart between two merges.
        """
        settings, table = self.hyperparameters, model.get_submodule
        optimizer = make_optimizer(settings, table("lecturers").parameters())
        optimizer.param_groups[0]["weight_decay"] = 2 * settings.lecturer_prior / self._ratings
        optimizer.add_param_group({"params": table("students").parameters(), "lr": settings.student_rate})
        rest = [model.get_parameter("level"), *table("circumstances").parameters()]
        optimizer.add_param_group({"params": rest, "lr": settings.circumstance_rate, "weight_decay": 0.0})
        return optimizer

    def train(self, model: Module, examples: Dataset[Any], on_progress: Progress) -> None:
        """One round's training; how many ratings there are says how much one prior is of them."""
        self._ratings = count(examples)
        super().train(model, examples, on_progress)

    def split(self, nodes: int, seed: int) -> Split:
        """A department for each node; the ratings that all of them hold out are for testing. `seed` is the task's."""
        if seed != self.hyperparameters.seed:
            raise TaskError(
                f"the task's seed, {self.hyperparameters.seed}, says what is held out, so {seed} cannot: give one seed"
            )
        parts = tuple(self._department(ratings) for ratings in self._of(nodes))
        pooled = pool(parts)
        return Split(parts=parts, pooled=pooled, test=pooled.held_out)

    def write_part(self, path: Path, part: int, *, nodes: int, seed: int) -> None:
        """Writes one department's file, whatever the seed."""
        write_ratings(path, self._of(nodes)[part])

    @cached_property
    def _all(self) -> tuple[NDArray[np.int64], ...]:
        return tuple(read_ratings(Path(source)) for source in self.sources) if self.sources else departments()

    def _of(self, nodes: int) -> tuple[NDArray[np.int64], ...]:
        if len(self._all) != nodes:
            raise DataError(
                f"{nodes} nodes cannot share the ratings of {len(self._all)} departments: choose as many nodes"
            )
        return self._all

    def _department(self, ratings: NDArray[np.int64]) -> NodeData:
        import torch
        from torch.utils.data import TensorDataset

        test = is_test(ratings, seed=self.hyperparameters.seed)
        inputs = torch.from_numpy(model_inputs(ratings))
        targets = torch.tensor(ratings[:, COLUMNS.index("y")], dtype=torch.float32)
        training, held_out = (TensorDataset(inputs[rows], targets[rows]) for rows in (~test, test))
        return NodeData(training=training, held_out=held_out)


def model_inputs(ratings: NDArray[np.int64]) -> NDArray[np.int64]:
    """What a model sees of ratings, shape (n, 5): student, lecturer, and the number of each circumstance's code."""
    import numpy as np

    found, before = [ratings[:, :2]], 0
    for name in CIRCUMSTANCES:
        codes = np.array(CODES[name])
        found.append(np.searchsorted(codes, ratings[:, [COLUMNS.index(name)]]) + before)
        before += len(codes)
    return np.hstack(found)
