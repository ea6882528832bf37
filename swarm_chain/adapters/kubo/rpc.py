"""One command to a node and its answer, or what went wrong, in the words of this program."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import ipfshttpclient
import requests
from ipfshttpclient import exceptions
from urllib3.exceptions import HTTPError, ReadTimeoutError

from swarm_chain.adapters.kubo.addresses import find_place
from swarm_chain.adapters.kubo.transport import StreamError, UnusableAnswer, bounded, prepare
from swarm_chain.config import StoreSettings
from swarm_chain.errors import ConfigurationError, StoreUnavailable

CONNECT: Final = 10.0
"""Seconds for connecting, and for each 64 KiB that are sent."""
GRACE: float = 5.0
"""Seconds that a node gets beyond those after which it is to give up by itself."""
_PIECE: Final = 64 * 1024
_MAX_SAID: Final = 300


class Refused(Exception):
    """The node understood a command, and says why it did not do it."""


class TooMuch(Exception):
    """An answer has more bytes than were allowed; it was not read further."""


class TooSlow(StoreUnavailable):
    """The node did not answer in time."""


class File:
    """Bytes that go with a command, in pieces that are made when they are sent, and again if that is to be repeated."""

    def __init__(self, pieces: Callable[[], Iterator[bytes]]) -> None:
        self._pieces = pieces
        # What peers made is in there: it must not be able to end the file.
        self._boundary = secrets.token_hex(16)

    @property
    def headers(self) -> Mapping[str, str]:
        """What a request says of its body."""
        return {"Content-Type": f"multipart/form-data; boundary={self._boundary}"}

    def body(self) -> Iterator[bytes]:
        """The body of a request, in pieces so small that each gets through in time on a slow line."""
        yield (
            f"--{self._boundary}\r\n"
            'Content-Disposition: form-data; name="file"; filename="file"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        for piece in self._pieces():
            for start in range(0, len(piece), _PIECE):
                yield piece[start : start + _PIECE]
        yield f"\r\n--{self._boundary}--\r\n".encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What is asked. The node is told to end it after `seconds`, and gets `transfer` more until all is here."""

    name: str
    arguments: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    seconds: float
    transfer: float = 0.0
    max_bytes: int = 1024 * 1024
    file: File | None = None


class Rpc:
    """A node's commands, for several threads. What it says is read within bounds of bytes and time."""

    def __init__(self, name: str, settings: StoreSettings) -> None:
        """`name` is what errors call the node. Raises `ConfigurationError`; nothing is asked yet."""
        self.name = name
        place = find_place(settings.address)
        headers = {"User-Agent": "swarm-chain", **settings.headers}
        try:
            self._client = ipfshttpclient.Client(place.multiaddr, place.base, headers=headers, session=True)._client
        except (exceptions.AddressError, ValueError) as error:
            raise ConfigurationError(
                f"{settings.address!r} is no address of an IPFS node's RPC API; write /ip4/127.0.0.1/tcp/5001"
            ) from error
        ca_file = str(settings.ca_file) if settings.ca_file else None
        prepare(self._client._session, ca_file=ca_file, proxy=settings.proxy)

    def values(self, command: Command) -> list[Mapping[str, Any]]:
        """The JSON objects of an answer. Raises `Refused`, `StoreUnavailable`."""
        try:
            return [_object(line) for line in self.ask(command).splitlines() if line.strip()]
        except (TooMuch, ValueError, RecursionError) as error:
            raise self._unavailable(
                f"is no RPC API of an IPFS node: it answers {command.name} with {_said(error)}"
            ) from error

    def ask(self, command: Command) -> bytes:
        """An answer's bytes. Raises `Refused`, `TooMuch`, and `StoreUnavailable` for all that is no answer."""
        try:
            return self._twice(command)
        except StreamError as error:
            raise Refused(_said(error)) from error
        except exceptions.StatusError as error:
            problem = _about_status(_status(error))
            if problem is None and isinstance(error, exceptions.ErrorResponse):
                raise Refused(_said(error)) from error
            raise self._unavailable(problem or f"fails with status {_status(error)}; look at the node") from error
        except (exceptions.TimeoutError, ReadTimeoutError, TimeoutError) as error:
            raise TooSlow(f"{self.name} does not answer in time; try again, or look at the node") from error
        except (exceptions.Error, requests.RequestException, HTTPError, OSError) as error:
            raise self._unavailable(_about_failure(error)) from error

    def _twice(self, command: Command) -> bytes:
        """Asks again where the connection was closed without a word, as one that was kept may be just then."""
        try:
            return self._once(command)
        except (exceptions.ProtocolError, exceptions.ConnectionError) as error:
            if not isinstance(_bottom(error), ConnectionResetError | BrokenPipeError):
                raise
            return self._once(command)

    def _once(self, command: Command) -> bytes:
        found = bytearray()
        seconds = command.seconds + command.transfer + GRACE
        with (
            bounded(seconds=seconds, received=command.max_bytes),
            self._client.request(
                command.name,
                command.arguments,
                opts={"timeout": f"{command.seconds:g}s", **command.options},
                stream=True,
                data=command.file.body() if command.file else None,
                headers=command.file.headers if command.file else None,
                timeout=(CONNECT, seconds),
            ) as pieces,
        ):
            for piece in pieces:
                found += piece
                if len(found) > command.max_bytes:
                    raise TooMuch(f"more than {command.max_bytes} bytes")
        return bytes(found)

    def _unavailable(self, problem: str) -> StoreUnavailable:
        return StoreUnavailable(f"{self.name} {problem}")


# ------------------------------------------------------------------------------------------------------- what is said


def _object(line: bytes) -> Mapping[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("what is no object")
    if value.get("Type") == "error":
        raise Refused(_said(value.get("Message")))
    return value


def _said(text: object) -> str:
    """What a node said, fit for a line of a log."""
    plain = "".join(char if char.isprintable() else " " for char in str(text))
    return plain if len(plain) <= _MAX_SAID else plain[: _MAX_SAID - 1] + "…"


def _status(error: exceptions.StatusError) -> int:
    response = getattr(error.original, "response", None)
    return 0 if response is None else int(response.status_code)


def _about_status(status: int) -> str | None:
    """What a status means that does not come from a command; None for one that may."""
    if status in (401, 403, 407):
        return (
            f"refuses to be asked (status {status}); give a token_file or headers_file in [stores.NAME] of the "
            "settings, or allow this program where the node is"
        )
    if status == 413:
        return "refuses so many bytes (status 413); raise the limit of the proxy before the node"
    if status in (404, 405, 501):
        return (
            f"is no RPC API of an IPFS node (status {status}); give the API's address, which Kubo has on port 5001, "
            "not the gateway's"
        )
    return None


def _about_failure(error: BaseException) -> str:
    reason = _reason(error)
    if isinstance(error, UnusableAnswer):
        return f"is no RPC API of an IPFS node: {reason}; correct the address"
    if isinstance(error, exceptions.ConnectionError):
        return f"cannot be reached: {reason}; start the IPFS node, or correct the address"
    return f"breaks off: {reason}; try again, or look at the node"


def _reason(error: BaseException) -> str:
    bottom = _bottom(error)
    text = (isinstance(bottom, OSError) and bottom.strerror) or str(bottom) or type(bottom).__name__
    # urllib3 repeats the address, which stands in our own error already.
    return _said(re.sub(r"^.*\[Errno -?\d+\] ", "", text))


def _bottom(error: BaseException) -> BaseException:
    """What lies below a chain of errors, each of which holds the one that it is about."""
    seen = [error]
    while (below := _below(seen[-1])) is not None and below not in seen:
        seen.append(below)
    return seen[-1]


def _below(error: BaseException) -> BaseException | None:
    candidates = (getattr(error, "original", None), getattr(error, "reason", None), *error.args, error.__cause__)
    return next((one for one in candidates if isinstance(one, BaseException)), None)
