"""The blocks of a tree in a store, one open at a time, the ones above before those below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from swarm_chain.core import dagcbor, dagpb
from swarm_chain.core.cars import car_size
from swarm_chain.core.cids import Cid, Codec
from swarm_chain.core.links import links_of
from swarm_chain.errors import BlockNotFound, Malformed, TooLarge
from swarm_chain.ports import MAX_BLOCK
from swarm_chain.serving.asked import Car, Scope


class Shelf(Protocol):
    """A store whose blocks are files: the local one."""

    def open(self, cid: Cid) -> BinaryIO:
        """The block's file, its bytes checked. Raises a `StoreError`."""


@dataclass(frozen=True, slots=True)
class _Branch:
    """A tree that is still to be walked, and which bytes of a file are wanted: those from `first` to before `end`."""

    cid: Cid
    start: int = 0
    first: int = 0
    end: int | None = None


def follow(shelf: Shelf, cid: Cid, path: tuple[str, ...]) -> list[Cid]:
    """The blocks on a path, its end last. Raises a `StoreError`: `BlockNotFound` where it leads nowhere."""
    found = [cid]
    value: dagcbor.Value = cid
    for name in path:
        if isinstance(value, Cid):
            value = _value(shelf, value)
        value = _inside(value, name, cid)
        if isinstance(value, Cid):
            found.append(value)
    return found


def length_of(shelf: Shelf, root: Cid, car: Car) -> int | None:
    """Bytes of a CAR file where its root tells: that of a block, or of a file of up to a gigabyte; else None.

    What the root says may be wrong: whoever sends the file finds out. Raises a `StoreError` where it is not there.
    """
    with shelf.open(root) as file:
        data = _read(root, file)
    if root.codec is Codec.RAW or car.scope is Scope.BLOCK:
        return car_size(1, [len(data)])
    if root.codec is not Codec.DAG_PB or car.span is not None:
        return None
    try:
        node = dagpb.decode(data)
    except Malformed:
        return None
    if node.sizes is None or any(link.codec is not Codec.RAW for link in node.links):
        return None
    leaves = list(zip(node.links, node.sizes, strict=True))
    return car_size(1, [len(data), *(size for _, size in (leaves if car.repeats else dict.fromkeys(leaves)))])


def walk(shelf: Shelf, root: Cid, car: Car, *, max_repeats: int) -> Iterator[tuple[Cid, BinaryIO]]:
    """The blocks that a CAR file of a root has, depth first. Raises a `StoreError` at the first that is not there.

    Never deeper than a list is long: a tree may be as deep as a swarm's history.
    """
    seen: set[Cid] = set()
    repeats = 0
    branches = [_Branch(root)]
    while branches:
        branch = branches.pop()
        if branch.cid in seen:
            repeats += 1
            if not car.repeats:
                continue
            if repeats > max_repeats:
                raise TooLarge(f"the tree {root} repeats itself more than {max_repeats} times; ask without repeats")
        seen.add(branch.cid)
        with shelf.open(branch.cid) as file:
            below = _below(branch, file, car, is_root=branch.cid == root)
            yield branch.cid, file
        branches.extend(reversed(below))


def _below(branch: _Branch, file: BinaryIO, car: Car, *, is_root: bool) -> list[_Branch]:
    """The trees that a block links to, of those that are wanted."""
    if branch.cid.codec is Codec.RAW or car.scope is Scope.BLOCK:
        return []
    data = _read(branch.cid, file)
    try:
        if car.scope is Scope.ALL:
            return [_Branch(link) for link in links_of(branch.cid, data)]
        return _of_file(branch, dagpb.decode(data), car, is_root) if branch.cid.codec is Codec.DAG_PB else []
    except Malformed:
        return []  # Whoever wrote it: what it links to cannot be told, and it is passed on as it is.


def _of_file(branch: _Branch, node: dagpb.Node, car: Car, is_root: bool) -> list[_Branch]:
    """The parts of a file that have bytes that are wanted; nothing for a directory."""
    if node.sizes is None:
        return []
    first, end = branch.first, branch.end
    if is_root and car.span is not None:
        first, end = car.span.within(sum(node.sizes))
    found, start = [], branch.start
    for link, size in zip(node.links, node.sizes, strict=True):
        if end is None or (start < end and start + size > first):
            found.append(_Branch(link, start, first, end))
        start += size
    return found


def _read(cid: Cid, file: BinaryIO) -> bytes:
    data = file.read(MAX_BLOCK + 1)
    file.seek(0)
    if len(data) > MAX_BLOCK:
        raise TooLarge(f"the block {cid} has more than {MAX_BLOCK} bytes; leave it out")
    return data


def _value(shelf: Shelf, cid: Cid) -> dagcbor.Value:
    if cid.codec is not Codec.DAG_CBOR:
        raise BlockNotFound(f"{cid} has nothing below it that has a name")
    with shelf.open(cid) as file:
        try:
            return dagcbor.decode(_read(cid, file))
        except Malformed as error:
            raise BlockNotFound(f"{cid} cannot be read: {error}") from error


def _inside(value: dagcbor.Value, name: str, root: Cid) -> dagcbor.Value:
    if isinstance(value, Mapping) and name in value:
        return value[name]
    if isinstance(value, list) and name.isdecimal() and len(name) < 10 and int(name) < len(value):
        return value[int(name)]
    raise BlockNotFound(f"{root} has nothing named {name!r} there")
