"""The user's module, and which of its tensors are the swarm's, its node's own, or nobody's to train."""

from __future__ import annotations

from collections.abc import Collection

from torch.nn import Module

from swarm_chain.adapters.torch_parameters import parameters_of, require_finite, to_tensor
from swarm_chain.adapters.torch_trainer import PRIVATE, layers_of
from swarm_chain.core.weights import Specs, check_shapes, specs_of
from swarm_chain.errors import ContributionError
from swarm_chain.tasks.base import Task
from swarm_chain.types import Parameters

_LOOK = "look for extreme values in the data, or lower the learning rate"


class HeldModel:
    """A module that takes the swarm's parameters in place, so that optimisers and other references to it stay good."""

    def __init__(self, module: Module, task: Task, shared: Specs) -> None:
        """Raises `ShapeMismatch`, naming each tensor that is not the swarm's, `TaskError`, and `ContributionError`."""
        own = parameters_of(_module(module))
        self.module = module
        self._layers = layers_of(task, module)
        self._specs = specs_of(own)
        check_shapes(shared, specs_of(_picked(own, self._layers.shared)))
        self._frozen = task.frozen_parameters or _picked(own, self._layers.frozen)
        check_shapes(specs_of(self._frozen), specs_of(_picked(own, self._layers.frozen)))
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and name not in self._layers.frozen)

    def take(self, shared: Parameters) -> None:
        """Makes the module hold the swarm's parameters, frozen ones too. Its private tensors stay as they are."""
        _load(self.module, {**shared, **self._frozen})

    def take_private(self, memory: Parameters) -> None:
        """Makes the module hold the private tensors that its node kept, where it kept any. Raises `ShapeMismatch`."""
        kept = {name.removeprefix(PRIVATE): array for name, array in memory.items() if name.startswith(PRIVATE)}
        if kept:
            check_shapes(tuple(spec for spec in self._specs if spec.name in self._layers.private), specs_of(kept))
            _load(self.module, kept)

    def outcome_of(self, module: Module, before: Parameters) -> tuple[Parameters, Parameters]:
        """What of a module goes into an update, and what stays on the node, beside what else it kept `before`.

        The module gets its frozen tensors back: statistics of a frozen layer move in training all the same.
        Raises `ShapeMismatch` and `NotFinite`, naming each tensor that is not good, and `ContributionError`.
        """
        found = parameters_of(_module(module))
        check_shapes(self._specs, specs_of(found))
        require_finite(found, what="the model's tensors", advice=_LOOK)
        _load(module, self._frozen)
        private = {PRIVATE + name: array for name, array in _picked(found, self._layers.private).items()}
        others = {name: array for name, array in before.items() if not name.startswith(PRIVATE)}
        return _picked(found, self._layers.shared), others | private


def _module(given: object) -> Module:
    """What was given, if it is a module. Raises `ContributionError`: a state dict does not know its layers."""
    if not isinstance(given, Module):
        raise ContributionError(f"the model is of type {type(given).__name__}: give the torch module itself")
    return given


def _picked(parameters: Parameters, names: Collection[str]) -> Parameters:
    return {name: array for name, array in parameters.items() if name in names}


def _load(module: Module, some: Parameters) -> None:
    module.load_state_dict({name: to_tensor(array) for name, array in some.items()}, strict=False)
