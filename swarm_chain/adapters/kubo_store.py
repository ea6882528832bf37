"""Blocks on an IPFS node, by the RPC API of Kubo, which js-ipfs speaks too.

What a swarm publishes reaches every node that asks for it there, by bitswap; what others published comes the same way.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from swarm_chain.adapters.kubo.cids import cid_in
from swarm_chain.adapters.kubo.history import History
from swarm_chain.adapters.kubo.pins import Pins
from swarm_chain.adapters.kubo.pruning import Shelf
from swarm_chain.adapters.kubo.rpc import Command, File, Refused, Rpc, TooMuch, TooSlow
from swarm_chain.config import StoreSettings
from swarm_chain.core.cars import car
from swarm_chain.core.cids import Cid, Codec, verify
from swarm_chain.core.links import links_of
from swarm_chain.core.publication import Publication
from swarm_chain.core.retention import Retention, files_named
from swarm_chain.core.unixfs import blocks_of
from swarm_chain.errors import BlockNotFound, CidMismatch, CorruptedBlock, PinFailed, StoreUnavailable, TooLarge
from swarm_chain.ports import MAX_BLOCK

log = logging.getLogger(__name__)

_STAT: float = 1.0
"""Seconds for looking whether a block is on the node itself, where it then looks elsewhere until they are over."""
_OFFLINE: Final = 10.0
"""The same, where it answers as soon as it knows."""
_VERSION: Final = 5
_SLOWEST_LINE: Final = 64 * 1024
"""Bytes a second at which a block or a model still gets through."""
_SLOWEST_DISK: Final = 4 * 1024 * 1024
"""Bytes a second that a node writes and checks."""
_PINNING: Final = 15.0
"""Seconds for walking through what a document links to."""
_NAMES: Final = {Codec.RAW: "raw", Codec.DAG_PB: "dag-pb", Codec.DAG_CBOR: "dag-cbor"}
_MISSING: Final = re.compile("not found|could not find", re.IGNORECASE)
_LATE: Final = re.compile("deadline exceeded|timed out", re.IGNORECASE)


class KuboStore:
    """A node's blocks, for as many threads as like.

    What is published is pinned, all that it links to included. Where that is too much for the node to walk through, or
    it cannot have all of it, or some of it is what nobody has judged, a document is pinned by itself and its files with
    all their blocks.
    """

    def __init__(self, settings: StoreSettings, *, name: str = "", writable: bool = True) -> None:
        """`name` is as `--store` takes it. Raises `ConfigurationError`; the node is not asked before it has to be."""
        self._name = name or f"kubo:{settings.address}"
        self._writable, self._timeout = writable, settings.timeout
        self._rpc = Rpc(self._name, settings)
        self._pins = Pins(self._rpc)
        self._shelf = Shelf(self._pins, self._here)
        self._history = History(self.get)
        self._pins_all = True

    @property
    def name(self) -> str:
        """As `--store` takes it."""
        return self._name

    @property
    def is_writable(self) -> bool:
        """Whether it was opened for writing."""
        return self._writable

    # ------------------------------------------------------------------------------------------------------- reading

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        """The block's bytes, from the node or whoever it finds in time.

        Raises `BlockNotFound`, `CorruptedBlock`, `TooLarge`, `StoreUnavailable`.
        """
        most = max(max_bytes, MAX_BLOCK)
        try:
            data = self._ask_for(cid, most, self._timeout)
            verify(cid, data)
        except TooMuch as error:
            raise TooLarge(f"the block {cid} has more than the {most} bytes allowed; leave it out") from error
        except CidMismatch as error:
            raise CorruptedBlock(f"{self.name} gave {error}") from error
        except Refused as error:
            raise self._not_given(cid, error) from error
        if len(data) > max_bytes:
            raise TooLarge(f"the block {cid} has more than the {max_bytes} bytes allowed; leave it out")
        return data

    def _ask_for(self, cid: Cid, most: int, seconds: float, **options: str) -> bytes:
        return self._rpc.ask(
            Command(
                name="block/get",
                arguments=(str(cid),),
                options=options,
                seconds=seconds,
                transfer=most / _SLOWEST_LINE,
                max_bytes=most,
            )
        )

    def has(self, cid: Cid) -> bool:
        """Whether the block is on the node itself. Raises `StoreUnavailable`."""
        command = Command(name="block/stat", arguments=(str(cid),), options={"offline": "true"}, seconds=self._look)
        try:
            return any(cid_in(answer.get("Key")) == cid for answer in self._rpc.values(command))
        except Refused as error:
            if self._is_missing(error):
                return False
            raise self._failed(f"whether it has {cid}", error) from error

    @property
    def _look(self) -> float:
        """Seconds for looking whether a block is on the node itself."""
        return _STAT if self._is_js else _OFFLINE

    def _is_missing(self, error: Refused) -> bool:
        """Whether a node that was asked for what it has itself says that it lacks it.

        js-ipfs looks around all the same, until the time is over; a Kubo that is late has too much to do.
        """
        return bool(_MISSING.search(str(error)) or (self._is_js and _LATE.search(str(error))))

    def _not_given(self, cid: Cid, error: Refused) -> BlockNotFound | StoreUnavailable:
        if _MISSING.search(str(error)) or _LATE.search(str(error)):
            return BlockNotFound(
                f"{self.name} found nobody with {cid} in {self._timeout} s ({error}); add a store that has it"
            )
        return self._failed(f"the block {cid}", error)

    # ------------------------------------------------------------------------------------------------------- writing

    def put(self, cid: Cid, data: bytes) -> None:
        """Keeps a block, which is not pinned. Raises `CidMismatch`, `StoreUnavailable`."""
        verify(cid, data)
        self._require_writable()
        command = Command(
            name="block/put",
            options={"mhtype": "sha2-256", "pin": "false", **self._codec_options(cid.codec)},
            seconds=self._patience(len(data)),
            file=File(lambda: iter((data,))),
        )
        try:
            answers = self._rpc.values(command)
        except Refused as error:
            raise self._failed(f"the block {cid}", error) from error
        if not any(cid_in(answer.get("Key")) == cid for answer in answers):
            raise StoreUnavailable(f"{self.name} keeps the block {cid} under another name; look at the node")

    def publish(self, publication: Publication) -> None:
        """Keeps a document with its files, and what was merged into it, pinned. Raises `PinFailed`, `StoreUnavailable`.

        Where the document is pinned with all that it links to, that includes what was merged.
        """
        self._require_writable()
        # Whoever is refused hears it before a model is sent.
        _ = self._is_js
        if not self._pins_all:
            self._keep(publication)
        elif (problem := self._publish_whole(publication)) is None:
            return
        else:
            log.info("%s; from now on documents are pinned without what earlier rounds left", problem)
            self._pins_all = False
            self._keep(publication, problem.roots)
        for merged in publication.merged:
            self._keep(merged, _files_linked(merged))

    def _publish_whole(self, publication: Publication) -> _NotPinned | None:
        """In one call, the document pinned with all that it links to; why not, where that cannot be."""
        upload = _Upload(publication)
        try:
            self._history.require_judged(publication.root, publication.document)
            self._import(upload, pin=True)
            # What no link leads to is not pinned yet.
            for root in self._files_of(upload) - set(_files_linked(publication)):
                self._pins.add(root, "recursive", seconds=self._patience(publication.size))
        except (Refused, TooSlow, PinFailed) as error:
            return _NotPinned(str(error), tuple(upload.roots))
        return None

    def _keep(self, publication: Publication, roots: Sequence[Cid] = ()) -> None:
        """Pins a document by itself, and its files with all their blocks; those with `roots` may be there already."""
        if roots and self.has(publication.root):
            try:
                self._pin(publication, roots)
                return
            except PinFailed as error:
                log.info("%s; it is sent there", error)
        upload = _Upload(publication)
        try:
            self._import(upload, pin=False)
        except Refused as error:
            raise self._failed("what was published", error) from error
        self._pin(publication, self._files_of(upload))

    def _files_of(self, upload: _Upload) -> frozenset[Cid]:
        """The files that were sent, and others that the document names and that are on the node already."""
        publication = upload.publication
        named = frozenset(files_named(publication.root, publication.document)) - set(upload.roots)
        return frozenset(upload.roots) | frozenset(filter(self.has, named))

    def _import(self, upload: _Upload, *, pin: bool) -> None:
        """Sends a document and its files in one go. Raises `Refused`, `PinFailed`, `StoreUnavailable`."""
        publication = upload.publication
        seconds = self._patience(publication.size)
        # For the node, time begins with the first byte; here, when all were sent.
        timeout = seconds + publication.size / _SLOWEST_LINE
        options = {"pin-roots": str(pin).lower(), "stats": "true", "timeout": f"{timeout:.0f}s"}
        command = Command(name="dag/import", options=options, seconds=seconds, file=File(upload.pieces))
        answers = self._rpc.values(command)
        if pin:
            self._require_pinned(publication.root, answers)

    def _require_pinned(self, root: Cid, answers: Sequence[Mapping[str, Any]]) -> None:
        """Returns where the answer to an import says that a root is pinned: a failure comes with status 200, too."""
        for answer in answers:
            found = answer.get("Root")
            if isinstance(found, dict) and _link(found.get("Cid")) == root:
                if problem := found.get("PinErrorMsg"):
                    raise PinFailed(f"{self.name} does not keep {root} ({problem})")
                return
        raise PinFailed(f"{self.name} does not say that it keeps {root}")

    def _pin(self, publication: Publication, roots: Iterable[Cid]) -> None:
        seconds = self._patience(publication.size)
        for root in roots:
            self._pins.add(root, "recursive", seconds=seconds)
        self._pins.add(publication.root, "direct", seconds=seconds)

    # ------------------------------------------------------------------------------------------------------- keeping

    def pinned(self, cids: Collection[Cid]) -> frozenset[Cid]:
        """Those that are pinned, by themselves or with what links to them. Raises `StoreUnavailable`."""
        return self._shelf.pinned(cids)

    def prune(self, retention: Retention) -> None:
        """Unpins the files of old rounds that no other pinned document names. Raises `StoreUnavailable`, `PinFailed`.

        From now on documents are pinned by themselves: else they would hold on to all before them.
        """
        self._require_writable()
        self._pins_all = False
        self._shelf.prune(retention)

    def _here(self, cid: Cid) -> bytes:
        """A block that is on the node itself."""
        try:
            data = self._ask_for(cid, MAX_BLOCK, self._look, offline="true")
        except TooMuch as error:
            raise BlockNotFound(f"{self.name} has no block {cid} of a swarm: {error}") from error
        except Refused as error:
            if self._is_missing(error):
                raise BlockNotFound(f"{self.name} does not have {cid} itself: {error}") from error
            raise self._failed(f"the block {cid}", error) from error
        verify(cid, data)
        return data

    def _require_writable(self) -> None:
        if not self._writable:
            raise StoreUnavailable(f"{self.name} was opened for reading; open it for writing")

    def _failed(self, what: str, error: Refused) -> StoreUnavailable:
        return StoreUnavailable(f"{self.name} fails at {what}: {error}; look at the node")

    def _patience(self, size: int) -> float:
        """Seconds in which a node writes so many bytes, and walks through what is below them."""
        return _PINNING + size / _SLOWEST_DISK

    def _codec_options(self, codec: Codec) -> Mapping[str, str]:
        """How this node is told what a block is: js-ipfs knows nothing of the words that Kubo has for it."""
        return {"format": _NAMES[codec], "version": "1"} if self._is_js else {"cid-codec": _NAMES[codec]}

    @cached_property
    def _is_js(self) -> bool:
        """Whether this node is js-ipfs. Raises `StoreUnavailable`."""
        try:
            (version,) = self._rpc.values(Command(name="version", seconds=_VERSION))
        except (Refused, ValueError) as error:
            raise StoreUnavailable(f"{self.name} does not say its version ({error}); look at the node") from error
        return "interface-ipfs-core" in version


@dataclass(frozen=True, slots=True)
class _NotPinned:
    """Why a document is not pinned with all below it, and the roots of its files that were sent."""

    reason: str
    roots: tuple[Cid, ...]

    def __str__(self) -> str:
        return self.reason


class _Upload:
    """A publication as a CAR, made while it is sent; `roots` are those of the files that were sent."""

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self.roots: list[Cid] = []

    def pieces(self) -> Iterator[bytes]:
        """The CAR, one block in memory at a time."""
        self.roots.clear()
        return car([self.publication.root], self._blocks())

    def _blocks(self) -> Iterator[tuple[Cid, bytes]]:
        for file in self.publication.files:
            for cid, data in blocks_of(file):
                yield cid, data
            self.roots.append(cid)
        yield self.publication.root, self.publication.document


def _files_linked(publication: Publication) -> tuple[Cid, ...]:
    """The files that a document links to."""
    links = links_of(publication.root, publication.document)
    return tuple(link for link in links if link.codec is not Codec.DAG_CBOR)


def _link(value: object) -> Cid | None:
    """The CID in a link as DAG-JSON has it."""
    return cid_in(value.get("/")) if isinstance(value, dict) else None
