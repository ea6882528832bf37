"""Stores as people name them: `local:PATH`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from swarm_chain.adapters.composite_store import CompositeStore
from swarm_chain.errors import ConfigurationError
from swarm_chain.ports import UpdateStore

KINDS = ("local:PATH",)
"""What `--store` takes."""


def open_stores(specs: Sequence[str], *, writable: bool = True) -> UpdateStore:
    """One store for all of `specs`, in their order; one that is not written to must be there already.

    Raises `ConfigurationError` for what is no store, and `StoreUnavailable`.
    """
    stores = [open_store(spec, writable=writable) for spec in dict.fromkeys(specs)]
    return stores[0] if len(stores) == 1 else CompositeStore(stores)


def open_store(spec: str, *, writable: bool = True) -> UpdateStore:
    """The store that a text like `local:PATH` names. Raises `ConfigurationError`, and what opening it does."""
    from swarm_chain.adapters.local_store import LocalStore

    kind, colon, place = spec.partition(":")
    if kind != "local" or not colon:
        raise ConfigurationError(f"{spec!r} is not a store that this version knows; use {' or '.join(KINDS)}")
    if not place:
        raise ConfigurationError(f"{spec!r} names no folder; use local:PATH")
    return LocalStore(Path(place).expanduser(), writable=writable)


def absolute_spec(spec: str) -> str:
    """The same store, named so that it is found from any folder: `local:/path`."""
    kind, _, place = spec.partition(":")
    return f"local:{Path(place).expanduser().absolute()}" if kind == "local" and place else spec


def is_folder(spec: str) -> bool:
    """Whether a store is a folder: of use where that is, and its path may say whose it is."""
    return spec.startswith("local:")
