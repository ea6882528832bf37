"""A node's local store, served where its peers reach this machine; where that is, may change while it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarm_chain.adapters.addresses import IpAddress, is_public
from swarm_chain.adapters.own_address import address_towards
from swarm_chain.config.serving import OFF, is_serving, parse_place
from swarm_chain.core.announcements import announcement_of, url_of
from swarm_chain.core.files import replacing
from swarm_chain.errors import ConfigurationError, PortInUse
from swarm_chain.serving.gateway import Gateway, start
from swarm_chain.serving.trees import Shelf

log = logging.getLogger(__name__)

QUIET: Final = 15.0
"""Seconds without a reader after which a node that has ended serves no more."""
LONGEST_SERVED_ON: Final = 600.0
"""Seconds for which it serves on at most."""
_LOOKS_EVERY: Final = 30.0
"""Seconds between two looks at this machine's address."""
_PORT_FILE: Final = "served-port"
_WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104  it is only compared with


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """How a node wants to be served: see `NodeConfig`. `folder` is the node's own, where its port is remembered."""

    serve: str
    announce: tuple[str, ...]
    rpc_urls: tuple[str, ...]
    allow_private: bool
    folder: Path


class Served:
    """A gateway that is where peers look for it; none where nobody could reach it, or nobody should."""

    def __init__(self, shelf: Shelf | None, serving: Serving, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Serves from now on. Without a local store there is no `shelf`, and nothing to serve.

        Raises `ConfigurationError` and `PortInUse` for a place, told by name, at which this machine cannot serve.
        """
        self._shelf, self._serving, self._clock = shelf, serving, clock
        self._gateway: Gateway | None = None
        self._host: str | None = None
        self._looked_at = float("-inf")
        self._said = ""
        if not is_serving(serving.serve):
            raise ConfigurationError(f"{serving.serve!r} is no place to serve at; use auto, off or HOST:PORT")
        if shelf is None and parse_place(serving.serve) is not None:
            raise ConfigurationError("there is no local store to serve; add local:PATH to the node's stores")
        announcement_of(serving.announce)
        self._look()

    def stores(self) -> bytes:
        """What to announce now: as told, else the gateway's URL; nothing where there is neither."""
        if self._clock() - self._looked_at >= _LOOKS_EVERY:
            self._look()
        return announcement_of(self._serving.announce or self._urls())

    @property
    def url(self) -> str | None:
        """Where peers reach the gateway; None where there is none, or it cannot be said."""
        return next(iter(self._urls()), None)

    @property
    def connections(self) -> int:
        """How many readers are connected."""
        return self._gateway.connections if self._gateway else 0

    def serve_on(self, is_told: Callable[[float], bool], *, quiet: float = QUIET) -> None:
        """Returns once nobody has read for a while: peers that are slower need what the last round ended in.

        `is_told` waits for so many seconds, and says whether to end at once.
        """
        if self.url is None:
            return
        log.info("serving on for peers that are slower; Ctrl-C ends")
        began = quiet_since = self._clock()
        while self._clock() < min(quiet_since + quiet, began + LONGEST_SERVED_ON) and not is_told(0.2):
            if self.connections:
                quiet_since = self._clock()
        log.info("no longer served at %s, which peers know; `swarm-chain store serve` there goes on", self.url)

    def close(self) -> None:
        """Ends the gateway, once the answers under way have ended or had their time."""
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            gateway.stop()

    # ---------------------------------------------------------------------------------------------------------- places

    def _look(self) -> None:
        """Serves where peers reach this machine now, if that is another place than before."""
        self._looked_at = self._clock()
        host = self._wanted()
        if host == self._host and (host is None or self._gateway is not None):
            return
        self.close()
        self._host = host
        if host is not None and self._shelf is not None:
            self._gateway = self._start(self._shelf, host)

    def _wanted(self) -> str | None:
        """The address to listen at."""
        place = parse_place(self._serving.serve)
        if place is not None:
            return place[0]
        if self._serving.serve == OFF or self._shelf is None:
            return None
        address = address_towards(self._serving.rpc_urls)
        if address is None:
            return self._host  # A network that is away for a moment changes nothing.
        return str(address) if self._is_of_use(address) else None

    def _is_of_use(self, address: IpAddress) -> bool:
        """Whether a peer would fetch from an address of this machine. Says once why not."""
        if address.is_loopback:
            return False  # So is the chain: peers are on this machine too, and share its stores.
        if is_public(address) or (self._serving.allow_private and not address.is_link_local):
            return True
        self._say(
            f"peers cannot fetch from this machine, whose address {address} is private: let them use a store that "
            "others reach, tell its address (announce), or let all of you set allow_private_addresses"
        )
        return False

    def _urls(self) -> Sequence[str]:
        if self._gateway is None:
            return ()
        host, port = self._gateway.address
        if host in _WILDCARDS:
            address = address_towards(self._serving.rpc_urls)
            if address is None or address.is_loopback:
                self._say("which of this machine's addresses peers reach is not known: tell it (announce)")
                return ()
            host = str(address)
        return (url_of(host, port),)

    def _say(self, why: str) -> None:
        if why != self._said:
            self._said = why
            log.warning("%s", why)

    # ----------------------------------------------------------------------------------------------------------- ports

    def _start(self, shelf: Shelf, host: str) -> Gateway | None:
        """A gateway at its place, at the same port as before where that is free. Raises as `__init__`."""
        told = parse_place(self._serving.serve)
        if told is not None and told[1]:
            return start(shelf, *told)
        try:
            gateway = _start_again(shelf, host, self._remembered())
        except ConfigurationError as error:
            if told is not None:
                raise
            self._say(f"nothing is served to peers: {error}")
            return None
        self._remember(gateway.address[1])
        return gateway

    def _remembered(self) -> int:
        """The port of an earlier start, so that what was announced stays true; 0 before the first."""
        try:
            text = (self._serving.folder / _PORT_FILE).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return 0
        return int(text) if text.isdecimal() and 0 < int(text[:6]) <= 65_535 else 0

    def _remember(self, port: int) -> None:
        if port != self._remembered():
            with replacing(self._serving.folder / _PORT_FILE) as stream:
                stream.write(f"{port}\n".encode())


def _start_again(shelf: Shelf, host: str, port: int) -> Gateway:
    try:
        return start(shelf, host, port)
    except PortInUse:
        return start(shelf, host, 0)
