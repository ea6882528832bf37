"""Task `heart`: which patients of four hospitals have a heart disease (UCI archive, 740 of 920 patients)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from swarm_chain.errors import DataError, TaskError
from swarm_chain.tasks.base import NodeData, Split, SplitTask
from swarm_chain.tasks.heart_files import downloaded_files, hospital_files
from swarm_chain.tasks.heart_rows import MEASURED, features, is_test, read_patients
from swarm_chain.tasks.hyperparameters import Hyperparameters
from swarm_chain.tasks.metrics import binary_metrics
from swarm_chain.tasks.pooling import pool

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

COLUMNS = 15
SEX = len(MEASURED)
"""Where a model sees a patient's sex: 0 for female, 1 for male."""


class Heart(SplitTask):
    """A logistic regression on 15 columns, one node a hospital.

    `open_data` takes the path of one hospital's file, in the archive's format. Which patients are held out follows
    from the seed; the same are for testing.
    """

    name: ClassVar[str] = "heart"
    defaults: ClassVar[Hyperparameters] = Hyperparameters(epochs=5, batch_size=32, learning_rate=0.3, momentum=0.0)
    data_example: ClassVar[str] = "processed.cleveland.data"
    part_file: ClassVar[str] = "patients.data"
    takes_sources: ClassVar[bool] = True

    def seeded(self, seed: int) -> Self:
        """The same task and files, started from another seed."""
        return super().seeded(seed).dealing(self.sources)

    def dealing(self, sources: Sequence[str]) -> Self:
        """The same task, dealing out a folder that holds the archive's four files, or a file for each node."""
        made = type(self)(self.hyperparameters)
        made.sources = tuple(str(Path(source).absolute()) for source in sources)
        return made

    def model(self) -> Module:
        """15 columns to the log-odds of having the disease."""
        from torch.nn import Linear

        return Linear(COLUMNS, 1)

    def open_data(self, data: str) -> NodeData:
        """The patients of a file without a missing value; a third of the ill and of the others held out."""
        return self._hospital(Path(data))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the log-odds."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(outputs.squeeze(1), targets)

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """`loss`, and accuracy, AUROC, sensitivity, specificity and Brier score with intervals of 95 %."""
        return {**binary_metrics(outputs.squeeze(1).sigmoid(), targets), **super().metrics(outputs, targets)}

    def groups(self, inputs: Tensor) -> dict[str, Tensor]:
        """Women and men."""
        is_male = inputs[:, SEX] == 1
        return {"female": ~is_male, "male": is_male}

    def split(self, nodes: int, seed: int) -> Split:
        """A hospital for each node; the patients that all of them hold out are for testing. `seed` is the task's."""
        if seed != self.hyperparameters.seed:
            raise TaskError(
                f"the task's seed, {self.hyperparameters.seed}, says who is held out, so {seed} cannot: give one seed"
            )
        parts = tuple(self._hospital(path) for path in self._of(nodes))
        pooled = pool(parts)
        return Split(parts=parts, pooled=pooled, test=pooled.held_out)

    def write_part(self, path: Path, part: int, *, nodes: int, seed: int) -> None:
        """Writes one hospital's file, whatever the seed."""
        source = self._of(nodes)[part]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)
        except OSError as error:
            raise DataError(f"{source} cannot be copied to {path} ({error.strerror}): check both") from error

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        return hospital_files(self.sources) if self.sources else downloaded_files()

    def _of(self, nodes: int) -> tuple[Path, ...]:
        if len(self._files) != nodes:
            raise DataError(
                f"{nodes} nodes cannot share the files of {len(self._files)} hospitals: choose as many nodes"
            )
        return self._files

    def _hospital(self, path: Path) -> NodeData:
        import torch
        from torch.utils.data import TensorDataset

        patients = read_patients(path)
        test = is_test(patients, seed=self.hyperparameters.seed)
        inputs = torch.from_numpy(features(patients, training=~test))
        targets = torch.tensor(patients.is_ill, dtype=torch.float32)
        training, held_out = (TensorDataset(inputs[rows], targets[rows]) for rows in (~test, test))
        return NodeData(training=training, held_out=held_out)
