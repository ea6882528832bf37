"""A torch module's tensors as named arrays, and back."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module
from torch.nn.parameter import is_lazy

from swarm_chain.errors import NotFinite, ShapeMismatch, TaskError
from swarm_chain.types import Parameters

# Numpy has none of these of its own: their bytes travel as integers of the same size.
_FOREIGN: dict[torch.dtype, np.dtype[Any]] = {
    torch.bfloat16: np.dtype(ml_dtypes.bfloat16),
    torch.float8_e4m3fn: np.dtype(ml_dtypes.float8_e4m3fn),
    torch.float8_e5m2: np.dtype(ml_dtypes.float8_e5m2),
}
_MAX_SHOWN = 80
_FROM_FOREIGN = {array: tensor for tensor, array in _FOREIGN.items()}


def parameters_of(module: Module) -> dict[str, NDArray[Any]]:
    """Copies of everything a module's state dict holds, buffers included, sorted by name.

    Raises `TaskError` for state that is no tensor, or of a type that weights cannot have.
    """
    return {name: to_array(name, tensor) for name, tensor in sorted(module.state_dict().items())}


def tied_names(module: Module) -> list[frozenset[str]]:
    """Names in a module's state dict that mean one tensor, such as an embedding that is the output layer too."""
    places: dict[tuple[torch.device, int], set[str]] = {}
    for name, tensor in module.state_dict().items():
        if isinstance(tensor, Tensor) and not is_lazy(tensor) and tensor.numel():
            places.setdefault((tensor.device, tensor.data_ptr()), set()).add(name)
    return [frozenset(names) for names in places.values() if len(names) > 1]


def load_parameters(module: Module, parameters: Parameters) -> None:
    """Copies parameters into a module. Raises `ShapeMismatch`, naming each tensor that does not fit exactly."""
    check_same(parameters_of(module), parameters)
    module.load_state_dict({name: to_tensor(array) for name, array in parameters.items()})


def check_same(own: Parameters, given: Parameters) -> None:
    """Returns if both have the same tensors. Raises `ShapeMismatch`, naming each of `given` that does not fit."""
    if problems := [*_differences(own, given)]:
        raise ShapeMismatch(f"parameters are not this task's model: {'; '.join(problems)}; use the swarm's task")


def require_finite(parameters: Parameters, *, what: str, advice: str) -> None:
    """Raises `NotFinite`, naming each tensor that holds NaN or infinity."""
    bad = [name for name, array in parameters.items() if not _is_finite(array)]
    if bad:
        raise NotFinite(f"{what} hold NaN or infinity in {', '.join(bad)}: {advice}")


def _differences(own: Parameters, given: Parameters) -> list[str]:
    problems = [f"{name} is missing" for name in sorted(own.keys() - given.keys())]
    problems += [f"{_shown(name)} is unknown" for name in sorted(given.keys() - own.keys())]
    for name in sorted(own.keys() & given.keys()):
        wanted, actual = (f"{array.dtype} {array.shape}" for array in (own[name], given[name]))
        if wanted != actual:
            problems.append(f"{name} is {actual} and should be {wanted}")
    return problems


def _shown(name: str) -> str:
    """A name that others chose."""
    return name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…"


def _is_finite(array: NDArray[Any]) -> bool:
    is_float = array.dtype in _FROM_FOREIGN or array.dtype.kind == "f"
    return not is_float or bool(np.isfinite(array).all())


def to_array(name: str, tensor: object) -> NDArray[Any]:
    """A copy of a tensor as an array. Raises `TaskError` for what is none, or of a type that weights cannot have."""
    if not isinstance(tensor, Tensor):
        raise TaskError(f"the model's state {name} is no tensor: keep it out of the module's state dict")
    if is_lazy(tensor):
        raise TaskError(f"the model's tensor {name} has no shape yet: give lazy layers their sizes")
    tensor = tensor.detach().cpu()
    if tensor.dtype in _FOREIGN:
        carrier = {1: torch.int8, 2: torch.int16}[tensor.itemsize]
        return tensor.contiguous().view(carrier).numpy().copy().view(_FOREIGN[tensor.dtype])
    try:
        return tensor.numpy().copy(order="C")
    except (TypeError, RuntimeError) as error:
        raise TaskError(f"the model's tensor {name} is {tensor.dtype}: use one of numpy's types or bfloat16") from error


def to_tensor(array: NDArray[Any]) -> Tensor:
    """A copy of an array as a tensor."""
    copy = array.copy(order="C")
    if array.dtype in _FROM_FOREIGN:
        carrier = np.dtype(f"i{copy.itemsize}")
        return torch.from_numpy(copy.view(carrier)).view(_FROM_FOREIGN[array.dtype])
    return torch.from_numpy(copy)
