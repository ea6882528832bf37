"""Stores as people name them: `local:PATH`, `kubo:ADDRESS`, `gateway:URL`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swarm_chain.adapters.composite_store import CompositeStore
from swarm_chain.errors import ConfigurationError
from swarm_chain.ports import UpdateStore

if TYPE_CHECKING:
    from swarm_chain.adapters.local_store import LocalStore

KINDS = ("local:PATH", "kubo:ADDRESS", "gateway:URL")
"""What `--store` takes. Several URLs of gateways are separated by commas; ADDRESS is a multiaddr, a URL or a NAME."""

_GATEWAY = "gateway:"


def open_stores(specs: Sequence[str], *, writable: bool = True) -> UpdateStore:
    """One store for all of `specs`, in their order; one that is not written to must be there already.

    Raises `ConfigurationError` for what is no store, and `StoreUnavailable`.
    """
    stores = [open_store(spec, writable=writable) for spec in dict.fromkeys(specs)]
    return stores[0] if len(stores) == 1 else CompositeStore(stores)


def open_store(spec: str, *, writable: bool = True) -> UpdateStore:
    """The store that a text like `local:PATH` names. Raises `ConfigurationError`, and what opening it does."""
    kind, _, place = spec.partition(":")
    opened = _OPENED.get(kind)
    if opened is None or not place:
        raise ConfigurationError(f"{spec!r} is no store; use {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    return opened(place, writable)


def _open_local(place: str, writable: bool) -> UpdateStore:
    from swarm_chain.adapters.local_store import LocalStore

    return LocalStore(Path(place).expanduser(), writable=writable)


def _open_kubo(place: str, writable: bool) -> UpdateStore:
    """A node at an address, or one that the settings give a name and say how to reach."""
    from swarm_chain.adapters.kubo.addresses import is_address
    from swarm_chain.adapters.kubo_store import KuboStore
    from swarm_chain.config import StoreSettings, find_store

    settings = StoreSettings(address=place) if is_address(place) else find_store(place)
    return KuboStore(settings, name=f"kubo:{place}", writable=writable)


def _open_gateway(place: str, writable: bool) -> UpdateStore:
    """Gateways at their URLs, or those that the settings give a name and say how to reach."""
    from swarm_chain.adapters.gateway_store import GatewayStore

    if "/" in place:
        return GatewayStore(place.split(","))
    from swarm_chain.adapters.gateways.limits import Limits
    from swarm_chain.adapters.gateways.route import Route
    from swarm_chain.config import find_store

    settings = find_store(place)
    route = Route(headers=settings.headers, ca_file=settings.ca_file, proxy=settings.proxy)
    limits = Limits(answer=settings.timeout)
    return GatewayStore(settings.address.split(","), name=f"gateway:{place}", limits=limits, route=route)


_OPENED: Mapping[str, Callable[[str, bool], UpdateStore]] = {
    "local": _open_local,
    "kubo": _open_kubo,
    "gateway": _open_gateway,
}


def absolute_spec(spec: str) -> str:
    """The same store, named so that it is found from any folder: `local:/path`."""
    kind, _, place = spec.partition(":")
    return f"local:{Path(place).expanduser().absolute()}" if kind == "local" and place else spec


def local_store(spec: str) -> LocalStore:
    """The folder that a text like `local:PATH` names, made where there is none. Raises `StoreUnavailable`."""
    from swarm_chain.adapters.local_store import LocalStore

    return LocalStore(Path(spec.partition(":")[2]).expanduser())


def with_own(specs: Sequence[str]) -> tuple[str, ...]:
    """The stores, and before them the one in `HOME/store` where none of them can be written to."""
    from swarm_chain import config

    is_written_to = any(not spec.startswith(_GATEWAY) for spec in specs)
    return tuple(specs) if is_written_to else (f"local:{config.home() / 'store'}", *specs)


def is_for_others(spec: str) -> bool:
    """Whether a store is read from other machines: gateways by their URLs, none of which is on this machine."""
    from swarm_chain.config import is_this_machine

    urls = spec.removeprefix(_GATEWAY).split(",") if spec.startswith(_GATEWAY) else []
    return bool(urls) and all(url.startswith(("http://", "https://")) and not is_this_machine(url) for url in urls)


def is_folder(spec: str) -> bool:
    """Whether a store is a folder of this machine."""
    return spec.startswith("local:")
