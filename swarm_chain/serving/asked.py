"""What a request asks for, by the trustless gateway specification.

https://specs.ipfs.tech/http-gateways/trustless-gateway/ says what each part of a request means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from swarm_chain.core.cids import Cid, parse_foreign_cid
from swarm_chain.errors import InvalidCid

PROBE: Final = "bafkqaaa"
"""The CID that holds no bytes in itself: asked for to find out whether a server is a gateway."""
RAW: Final = "application/vnd.ipld.raw"
CAR: Final = "application/vnd.ipld.car"

_FORMATS: Final = {"raw": RAW, "car": CAR}
_OTHER_FORMATS: Final = frozenset({"ipns-record", "tar", "dag-json", "dag-cbor", "json", "cbor"})
_SPAN: Final = re.compile(r"(-?[0-9]{1,18}):(-?[0-9]{1,18}|\*)")
_MAX_PATH: Final = 16
_MAX_FILENAME: Final = 255
_NO_PLAIN_NAME: Final = re.compile(r"[^A-Za-z0-9 ._-]")


class Refused(Exception):
    """A request that is answered with a status other than 200, and a line that says why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Scope(Enum):
    """Which blocks of a tree are asked for."""

    BLOCK = "block"
    ENTITY = "entity"
    """A file's, or of anything else the block."""
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file, the last included; negative ones count from its end, None is the end."""

    first: int
    last: int | None

    def within(self, size: int) -> tuple[int, int]:
        """The first byte and the one after the last, in a file of that size."""
        first = self.first if self.first >= 0 else max(0, size + self.first)
        last = size - 1 if self.last is None else self.last if self.last >= 0 else size + self.last
        return first, min(last + 1, size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Car:
    """Which blocks go into a CAR file."""

    scope: Scope = Scope.ALL
    span: Span | None = None
    repeats: bool = False

    @property
    def content_type(self) -> str:
        """What it is called, with all that is known about it."""
        return f"{CAR}; version=1; order=dfs; dups={'y' if self.repeats else 'n'}"

    @property
    def tag(self) -> str:
        """What tells it from other CAR files of the same root."""
        span = f".{self.span.first}-{'' if self.span.last is None else self.span.last}" if self.span else ""
        return f"{self.scope.value}{span}.{'y' if self.repeats else 'n'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A block, or a CAR file where `car` is given; of nothing but the probe where `cid` is None."""

    cid: Cid | None
    name: str
    path: tuple[str, ...] = ()
    car: Car | None = None
    location: str | None = None
    """The request's URL as it should have been, where Accept said what the URL did not."""
    filename: str | None = None
    """What the reader wants to keep it as."""

    @property
    def etag(self) -> str:
        """The name of this answer. A CAR's is weak, since another gateway may send other bytes."""
        # Names in a document are whoever's wrote it.
        below = "".join(f".{quote(part, safe='')}" for part in self.path)
        return f'"{self.name}.raw"' if self.car is None else f'W/"{self.name}{below}.car.{self.car.tag}"'

    @property
    def content_path(self) -> str:
        """What was asked for, among all that is on IPFS."""
        return "/".join(("/ipfs", self.name, *(quote(part, safe="") for part in self.path)))

    @property
    def disposition(self) -> str:
        """What a browser is to keep it as; of a name that the reader wants, nothing that ends the header's text."""
        if self.filename is None:
            return f'attachment; filename="{self.name}.{"bin" if self.car is None else "car"}"'
        plain = _NO_PLAIN_NAME.sub("_", self.filename)
        return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.filename, safe='')}"


def read_request(target: str, headers: Mapping[str, str]) -> Asked:
    """What a request asks for. Raises `Refused`."""
    url = urlsplit(target)
    name, path = _names(url.path)
    try:
        query = {key: values[-1] for key, values in parse_qs(url.query, max_num_fields=32).items()}
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"the query cannot be read: {error}") from error
    kind, parameters = _format(query.get("format"), headers.get("Accept"))
    if kind == RAW and path:
        raise Refused(HTTPStatus.BAD_REQUEST, "a block has no path below it; ask for its CID, or for a CAR")
    suffix = "raw" if kind == RAW else "car"
    return Asked(
        cid=None if name == PROBE else _cid(name),
        name=name,
        path=path,
        car=None if kind == RAW else _car(query, parameters),
        location=None if "format" in query else f"{url.path}?{url.query + '&' if url.query else ''}format={suffix}",
        filename=query["filename"][:_MAX_FILENAME] if "filename" in query else None,
    )


def matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names this answer."""
    tags = [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags


def _names(path: str) -> tuple[str, tuple[str, ...]]:
    """The CID's text and the names below it."""
    empty, space, *names = path.split("/")
    names = [unquote(name) for name in names if name]
    if space == "ipns":
        raise Refused(HTTPStatus.NOT_FOUND, "names are not served here; ask for /ipfs/CID?format=raw")
    if empty or space != "ipfs" or not names:
        raise Refused(HTTPStatus.NOT_FOUND, "this is a trustless IPFS gateway; ask for /ipfs/CID?format=raw")
    if len(names) > _MAX_PATH:
        raise Refused(HTTPStatus.BAD_REQUEST, f"a path has at most {_MAX_PATH} names here")
    return names[0], tuple(names[1:])


def _cid(text: str) -> Cid:
    try:
        return parse_foreign_cid(text)
    except InvalidCid as error:
        raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error


def _format(named: str | None, accept: str | None) -> tuple[str, dict[str, str]]:
    """The media type to answer with, and what Accept says about it."""
    wanted = list(_accepted(accept or ""))
    if named is not None:
        if named not in _FORMATS:
            status = HTTPStatus.NOT_ACCEPTABLE if named in _OTHER_FORMATS else HTTPStatus.BAD_REQUEST
            raise Refused(status, "only format=raw and format=car are served here")
        kind = _FORMATS[named]
        return kind, next((parameters for name, parameters in wanted if name == kind), {})
    for name, parameters in wanted:
        if name in (RAW, CAR):
            return name, parameters
    if not wanted or any(name in ("*/*", "application/*") for name, _ in wanted):
        raise Refused(HTTPStatus.BAD_REQUEST, "say what to answer with: add ?format=raw or ?format=car")
    raise Refused(HTTPStatus.NOT_ACCEPTABLE, f"only {RAW} and {CAR} are served here")


def _accepted(accept: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The media types of an Accept header, what is liked best first."""
    found = []
    for item in accept.split(",")[:32]:
        name, *rest = (part.strip().lower() for part in item.split(";"))
        parameters = {key.strip(): value.strip(' "') for key, _, value in (part.partition("=") for part in rest)}
        if name and (weight := _weight(parameters.pop("q", "1"))) > 0:
            found.append((weight, name, parameters))
    for _, name, parameters in sorted(found, key=lambda one: -one[0]):
        yield name, parameters


def _weight(text: str) -> float:
    return float(text) if re.fullmatch(r"[01](\.[0-9]{0,3})?", text) else 0.0


def _car(query: Mapping[str, str], parameters: Mapping[str, str]) -> Car:
    version = query.get("car-version", parameters.get("version", "1"))
    order = query.get("car-order", parameters.get("order", "dfs"))
    repeats = query.get("car-dups", parameters.get("dups", "n"))
    if version != "1" or order not in ("dfs", "unk"):
        raise Refused(HTTPStatus.NOT_ACCEPTABLE, "CAR files are of version 1 and in order=dfs here")
    if repeats not in ("y", "n"):
        raise Refused(HTTPStatus.BAD_REQUEST, "dups is y or n")
    span = _span(query.get("entity-bytes"))
    try:
        scope = Scope.ENTITY if span else Scope(query.get("dag-scope", "all"))
    except ValueError:
        raise Refused(HTTPStatus.BAD_REQUEST, "dag-scope is block, entity or all") from None
    return Car(scope=scope, span=span, repeats=repeats == "y")


def _span(text: str | None) -> Span | None:
    if text is None:
        return None
    found = _SPAN.fullmatch(text)
    if found is None:
        raise Refused(HTTPStatus.BAD_REQUEST, "entity-bytes is FROM:TO, as 0:1023, 1024:* or -1024:*")
    return Span(int(found[1]), None if found[2] == "*" else int(found[2]))
