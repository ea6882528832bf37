"""A model of ratings: what student, lecturer and circumstances add to a level."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Recommender(nn.Module):
    """How a student will rate a lecturer: a level, and what student, lecturer and circumstances add to it.

    Nobody adds anything at the start: one without ratings is like the average one.
    """

    def __init__(self, *, students: int, lecturers: int, circumstances: int, level: float) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor([level]))
        self.students = nn.Embedding(students, 1)
        self.lecturers = nn.Embedding(lecturers, 1)
        self.circumstances = nn.Embedding(circumstances, 1)
        for table in (self.students, self.lecturers, self.circumstances):
            nn.init.zeros_(table.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """Ratings, shape (n,). A row of `inputs`, int64, is a student, a lecturer, and circumstances that all hold."""
        student, lecturer = self.students(inputs[:, 0]), self.lecturers(inputs[:, 1])
        circumstances = self.circumstances(inputs[:, 2:]).sum(dim=1)
        ratings: Tensor = self.level + (circumstances + student + lecturer).squeeze(1)
        return ratings
