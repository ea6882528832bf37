"""What a node keeps: pins, set and taken."""

from __future__ import annotations

import re
from typing import Final, Literal

from swarm_chain.adapters.kubo.cids import cid_in
from swarm_chain.adapters.kubo.rpc import Command, Refused, Rpc
from swarm_chain.core.cids import Cid
from swarm_chain.errors import PinFailed, StoreUnavailable

Kind = Literal["recursive", "direct"]
"""Whether all that is below a block is kept with it."""

_SECONDS: Final = 60.0
_MAX_LIST: Final = 64 * 1024 * 1024
"""Bytes of the longest list of pins that is read: some 600,000."""
_KEPT_ALREADY: Final = re.compile("already pinned recursively")
_NOT_KEPT: Final = re.compile("not pinned")


class Pins:
    """A node's pins."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    def add(self, cid: Cid, kind: Kind, *, seconds: float) -> None:
        """Keeps a block, or a tree, of which all is on the node already. Raises `PinFailed`, `StoreUnavailable`."""
        options = {
            "recursive": "true" if kind == "recursive" else "false",
            # Kubo then says at once that the block itself is missing. It looks for what is below it until the time is
            # over; js-ipfs does so for all of it.
            "offline": "true",
        }
        command = Command(name="pin/add", arguments=(str(cid),), options=options, seconds=seconds)
        try:
            answers = self._rpc.values(command)
        except Refused as error:
            if _KEPT_ALREADY.search(str(error)):
                return
            raise PinFailed(f"{self._rpc.name} does not keep {cid}: {error}; try again, or look at the node") from error
        if not any(cid in map(cid_in, answer.get("Pins") or ()) for answer in answers):
            raise PinFailed(f"{self._rpc.name} does not say that it keeps {cid}; look at the node")

    def remove(self, cid: Cid) -> None:
        """Lets go of what is pinned; no error where it is not. Raises `StoreUnavailable`."""
        try:
            self._rpc.values(Command(name="pin/rm", arguments=(str(cid),), seconds=_SECONDS))
        except Refused as error:
            if not _NOT_KEPT.search(str(error)):
                raise StoreUnavailable(f"{self._rpc.name} does not let go of {cid}: {error}") from error

    def listed(self, kind: Kind) -> frozenset[Cid]:
        """All that is pinned so, as far as a swarm could use it. Raises `StoreUnavailable`."""
        # In one piece: where a list that comes line by line ends too early, nothing shows it.
        command = Command(name="pin/ls", options={"type": kind}, seconds=_SECONDS, max_bytes=_MAX_LIST)
        try:
            answers = self._rpc.values(command)
        except Refused as error:
            raise StoreUnavailable(f"{self._rpc.name} does not list its pins: {error}; look at the node") from error
        # Kubo leaves out a list that is empty.
        keys = answers[0].get("Keys", {}) if len(answers) == 1 and answers[0].keys() <= {"Keys"} else None
        if not isinstance(keys, dict):
            raise StoreUnavailable(f"{self._rpc.name} does not list its pins; look at the node")
        return frozenset(cid for cid in map(cid_in, keys) if cid is not None)
