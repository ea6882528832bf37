"""Answers: blocks, CAR files, and why not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, cast

from swarm_chain.core.cars import car
from swarm_chain.core.cids import Cid
from swarm_chain.errors import BlockNotFound, SwarmChainError
from swarm_chain.serving.asked import RAW, Asked, Car, Refused, matches, read_request
from swarm_chain.serving.body import Body, size_of
from swarm_chain.serving.talk import Talk
from swarm_chain.serving.trees import follow, length_of, walk

log = logging.getLogger(__name__)

_FOR_EVER: Final = "public, max-age=29030400, immutable"
_PROBE_CAR: Final = bytes.fromhex("19a265726f6f747381d82a4500015500006776657273696f6e01")
"""A CAR file whose root is the probe; it has no blocks."""


class Handler(Talk):
    """Answers GET and HEAD from the blocks that are on the server's shelf; nothing is fetched for anybody."""

    def do_GET(self) -> None:  # noqa: N802
        """Answers with a block, a CAR file, or why not."""
        try:
            if self.headers.get("Service-Worker"):
                raise Refused(HTTPStatus.BAD_REQUEST, "no service worker is served here")
            self._answer(read_request(self.path, cast("dict[str, str]", self.headers)))
        except Refused as refusal:
            self.refuse(refusal.status, str(refusal))
        except SwarmChainError as error:
            if self.has_begun:
                raise
            self._refuse_for(error)
        else:
            self.has_ended = True

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, asked: Asked) -> None:
        if asked.cid is None:
            self._probe(asked)
        elif asked.car is None:
            self._block(asked, asked.cid)
        else:
            self._car(asked, asked.cid, asked.car)

    def _block(self, asked: Asked, cid: Cid) -> None:
        with self.server.shelf.open(cid) as file:
            size = size_of(file)
            if self._head(asked, (cid,), size=size):
                Body(self.wire, self.limits, length=size).file(file)

    def _car(self, asked: Asked, cid: Cid, wanted: Car) -> None:
        shelf = self.server.shelf
        *above, root = follow(shelf, cid, asked.path)
        length = length_of(shelf, root, wanted) if not above else None
        if not self._head(asked, (*above, root), size=length):
            return
        body = Body(self.wire, self.limits, length=length, chunked=length is None and self._can_chunk)
        body.piece(next(car([root], ())))
        for one in above:
            with shelf.open(one) as file:
                body.section(one, file)
        for one, file in walk(shelf, root, wanted, max_repeats=self.limits.repeats):
            body.section(one, file)
        body.end()

    def _probe(self, asked: Asked) -> None:
        data = b"" if asked.car is None else _PROBE_CAR
        if self._head(asked, (), size=len(data)):
            self.wfile.write(data)

    # ---------------------------------------------------------------------------------------------------------- heads

    def _head(self, asked: Asked, roots: Sequence[Cid], *, size: int | None) -> bool:
        """Sends the head of a 200, or of a 304 where the reader has this; whether a body must follow.

        `roots` are the blocks on the path, the last of which is the answer's.
        """
        headers = {"Etag": asked.etag, "Cache-Control": _FOR_EVER}
        if matches(self.headers.get("If-None-Match"), asked.etag):
            self.begin(HTTPStatus.NOT_MODIFIED, headers, size=None)
            return False
        headers |= {
            "Content-Type": RAW if asked.car is None else asked.car.content_type,
            "Content-Disposition": asked.disposition,
            "X-Content-Type-Options": "nosniff",
            "X-Ipfs-Path": asked.content_path,
            "X-Ipfs-Roots": ",".join(map(str, roots)) or asked.name,
            "Accept-Ranges": "none",
            "Vary": "Accept",
        }
        if asked.location is not None:
            headers["Content-Location"] = asked.location
        if size is None and self._can_chunk:
            headers["Transfer-Encoding"] = "chunked"
        elif size is None:
            self.close_connection = True
        self.begin(HTTPStatus.OK, headers, size=size)
        return self.command == "GET"

    def _refuse_for(self, error: SwarmChainError) -> None:
        if not isinstance(error, BlockNotFound):
            log.error("%s", error)
            self.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "the store here fails; ask somewhere else")
        elif "only-if-cached" in self.headers.get("Cache-Control", ""):
            self.refuse(HTTPStatus.PRECONDITION_FAILED, "it is not here")
        else:
            self.refuse(HTTPStatus.NOT_FOUND, "it is not here, and nothing is fetched for anybody")

    @property
    def _can_chunk(self) -> bool:
        return self.request_version != "HTTP/1.0"
