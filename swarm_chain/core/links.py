"""What a block links to, whatever kind it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swarm_chain.core import dagcbor, dagpb
from swarm_chain.core.cids import Cid, Codec


def links_of(cid: Cid, data: bytes) -> tuple[Cid, ...]:
    """The links of a block in their order, repeated where they are. Raises `MalformedFile`, `MalformedDocument`.

    >>> from swarm_chain.core.cids import cid_of
    >>> links_of(cid_of(b"bytes", Codec.RAW), b"bytes")
    ()
    """
    if cid.codec is Codec.RAW:
        return ()
    if cid.codec is Codec.DAG_PB:
        return dagpb.decode(data).links
    return tuple(_links_in(dagcbor.decode(data)))


def _links_in(value: dagcbor.Value) -> Iterator[Cid]:
    if isinstance(value, Cid):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _links_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _links_in(item)
