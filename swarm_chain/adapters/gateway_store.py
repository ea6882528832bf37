"""Blocks from trustless gateways: whoever serves them is not believed, and every block is checked as it arrives.

A gateway is any server that answers `GET /ipfs/CID?format=raw` with the block
(https://specs.ipfs.tech/http-gateways/trustless-gateway/): a Kubo node, `swarm-chain store serve`, a public one.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Collection, Sequence
from threading import Lock

from swarm_chain.adapters.gateways.ahead import Ahead
from swarm_chain.adapters.gateways.failures import AGAIN, Failure, Kind, as_error
from swarm_chain.adapters.gateways.limits import Limits
from swarm_chain.adapters.gateways.route import Route
from swarm_chain.adapters.gateways.source import Source
from swarm_chain.adapters.gateways.urls import parse_url
from swarm_chain.core.cids import Cid, Codec
from swarm_chain.core.publication import Publication
from swarm_chain.core.retention import Retention
from swarm_chain.errors import ConfigurationError, StoreUnavailable
from swarm_chain.ports import MAX_BLOCK

log = logging.getLogger(__name__)

_FILES = 2
"""Files that are fetched in one piece at the same time."""


class GatewayStore:
    """Several gateways as one store that is only read, by as many threads as like.

    The gateway that promises most is asked first; one that has trouble is asked after the others and, with pauses,
    again; one that lied is not asked for a while. What cannot be had in any of these ways is an error in the end:
    `BlockNotFound` where all say that they lack it, `CidMismatch` where one lied, else `StoreUnavailable`.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        name: str = "",
        limits: Limits | None = None,
        route: Route | None = None,
        allow_private: bool = True,
    ) -> None:
        """`allow_private` is for addresses that people gave; strangers' may not lead into this machine or its network.

        `name` is as `--store` takes it, where that is not the URLs. Raises `ConfigurationError` for what is no URL of a
        gateway, or a route that cannot be taken.
        """
        if not urls:
            raise ConfigurationError("no gateway is named; use gateway:http://host:8080")
        self._limits = limits or Limits()
        parsed = dict.fromkeys(map(parse_url, urls))
        route = route or Route()
        if route.proxy_url is not None or any(url.scheme == "https" for url in parsed):
            _ = route.tls  # What is wrong with it is found out now.
        self._sources = [Source(url, self._limits, route, allow_private=allow_private) for url in parsed]
        self._name = name or "gateway:" + ",".join(source.name for source in self._sources)
        self._lock = Lock()
        self._ahead: list[tuple[Source, Ahead]] = []
        self._parts: frozenset[Cid] = frozenset()

    @property
    def name(self) -> str:
        """As `--store` takes it."""
        return self._name

    @property
    def is_writable(self) -> bool:
        """Never: gateways are read."""
        return False

    def put(self, cid: Cid, data: bytes) -> None:
        """Raises `StoreUnavailable`."""
        raise StoreUnavailable(f"{self.name} can only be read; add a store to write to, as --store local:PATH")

    def publish(self, publication: Publication) -> None:
        """Raises `StoreUnavailable`."""
        self.put(publication.root, publication.document)

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        """The block's bytes. Raises `BlockNotFound`, `CidMismatch`, `StoreUnavailable`; never more than `max_bytes`."""
        until = time.monotonic() + self._limits.total
        data = self._from_ahead(cid, until)
        if data is None and cid.codec is Codec.DAG_PB and cid not in self._parts:
            data = self._begin(cid, until)
        if data is not None and len(data) <= max_bytes:
            return data
        return self._ask_around(cid, max_bytes, until)

    def has(self, cid: Cid) -> bool:
        """Whether a gateway says that it has the block. Raises `StoreUnavailable` where none can be asked."""
        until = time.monotonic() + self._limits.total
        failures: dict[str, Failure] = {}
        for source in self._in_order(failures):
            try:
                if source.has(cid, until=until):
                    return True
            except Failure as failure:
                failures[source.name] = failure
        if len(failures) == len(self._sources):
            raise StoreUnavailable(str(as_error(failures, f"whether there is a block {cid}")))
        return False

    def pinned(self, cids: Collection[Cid]) -> frozenset[Cid]:
        """None: others keep what is there."""
        return frozenset()

    def prune(self, retention: Retention) -> None:
        """Does nothing: others keep what is there."""

    def close(self) -> None:
        """Ends all connections. The store can be used again."""
        with self._lock:
            ahead, self._ahead = self._ahead, []
        for _, one in ahead:
            one.close()
        for source in self._sources:
            source.close()

    # ------------------------------------------------------------------------------------------------ block by block

    def _ask_around(self, cid: Cid, max_bytes: int, until: float) -> bytes:
        failures: dict[str, Failure] = {}
        candidates = self._in_order(failures)
        for turn in range(self._limits.tries):
            for source in candidates:
                try:
                    return source.block(cid, max_bytes=max_bytes, until=until)
                except Failure as failure:
                    failures[source.name] = failure
                    log.log(_level(failure), "%s %s: %s", source.name, failure, cid)
            candidates = [source for source in candidates if failures[source.name].kind in AGAIN]
            pause = self._pause(turn, [failures[source.name].wait for source in candidates])
            if not candidates or turn == self._limits.tries - 1 or time.monotonic() + pause >= until:
                break
            time.sleep(pause)
        raise as_error(failures, f"the block {cid}")

    def _in_order(self, failures: dict[str, Failure]) -> list[Source]:
        """The gateways to ask, the most promising first; the reasons why others are not go to `failures`."""
        for source in self._sources:
            if (pause := source.pause) is not None:
                failures[source.name] = pause
        return sorted((source for source in self._sources if source.name not in failures), key=lambda one: one.rank)

    def _pause(self, turn: int, waits: Sequence[float]) -> float:
        """Seconds before the next turn: twice those before the last, never the same for two nodes, or as asked for."""
        doubled: float = self._limits.back_off * 2.0**turn
        return max(doubled * random.uniform(0.75, 1.25), *waits, 0.0)

    # ----------------------------------------------------------------------------------------------- in one piece

    def _from_ahead(self, cid: Cid, until: float) -> bytes | None:
        """The block, where it is among those that come already; a failure there only means to ask for it by itself."""
        with self._lock:
            ahead = list(self._ahead)
        for source, one in ahead:
            try:
                data = one.take(cid, until=until)
            except Failure as failure:
                self._note(source, one, failure)
                continue
            if data is not None:
                return data
        return None

    def _begin(self, root: Cid, until: float) -> bytes | None:
        """The root of a file whose other blocks will be asked for too: they begin to come."""
        for source in self._in_order({}):
            try:
                one = source.ahead(root, until=until)
                if one is not None:
                    return self._remember(source, one, root, until)
            except Failure as failure:
                log.log(_level(failure), "%s %s: %s", source.name, failure, root)
        return None

    def _remember(self, source: Source, one: Ahead, root: Cid, until: float) -> bytes | None:
        with self._lock:
            self._ahead.append((source, one))
            dropped, self._ahead = self._ahead[:-_FILES], self._ahead[-_FILES:]
        for _, old in dropped:
            old.close()
        try:
            data = one.take(root, until=until)
        except Failure as failure:
            self._note(source, one, failure)
            return None
        self._parts = one.parts or self._parts
        return data

    def _note(self, source: Source, one: Ahead, failure: Failure) -> None:
        log.log(_level(failure), "%s %s; it is asked block by block", source.name, failure)
        source.note(failure)
        if failure.kind is Kind.REFUSED:
            source.stop_cars()
        with self._lock:
            self._ahead = [pair for pair in self._ahead if pair[1] is not one]


def _level(failure: Failure) -> int:
    """How loud a failure is: a gateway that lies is worth a word to whoever chose it."""
    return logging.WARNING if failure.kind is Kind.LIED else logging.DEBUG
