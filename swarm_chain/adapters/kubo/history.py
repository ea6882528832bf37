"""What a document's pin would keep besides: its swarm's whole history, in which strangers may have named anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from swarm_chain.core.cids import Cid
from swarm_chain.core.retention import base_of, unjudged
from swarm_chain.errors import BlockNotFound, CorruptedBlock, PinFailed, TooLarge

Get = Callable[[Cid], bytes]
"""A block, from the node or whoever it finds."""

SECONDS: Final = 15.0
"""For looking at what came before; what is known from earlier documents is not looked at again."""


class History:
    """The documents below which there is nothing but what nodes of the swarm have judged.

    A result names the updates that it left out, too, and such an update may link to anything that is on IPFS. Whoever
    pins the result with all below it would fetch that, keep it, and serve it to others.
    """

    def __init__(self, get: Get) -> None:
        self._get = get
        self._judged: set[Cid] = set()

    def require_judged(self, root: Cid, document: bytes) -> None:
        """Returns where all below a document was judged.

        Raises `PinFailed` where something was not, or is not known, and what `get` does where the node is away.
        """
        until = time.monotonic() + SECONDS
        passed = [root]
        while (base := self._base(passed[-1], document)) is not None and base not in self._judged:
            if time.monotonic() > until:
                raise PinFailed(f"what came before {root} takes long to look at")
            document = self._read(base)
            passed.append(base)
        self._judged.update(passed)

    def _base(self, cid: Cid, document: bytes) -> Cid | None:
        if strangers := unjudged(document):
            raise PinFailed(f"{cid} names {strangers[0]}, which was left out unseen and may link to anything")
        return base_of(document)

    def _read(self, cid: Cid) -> bytes:
        try:
            return self._get(cid)
        except (BlockNotFound, CorruptedBlock, TooLarge) as error:
            raise PinFailed(f"what came before cannot be looked at ({error})") from error
