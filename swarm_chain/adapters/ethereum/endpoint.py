"""One JSON-RPC endpoint: its answers, and its failures as errors of ours that never show a URL's secrets."""

from __future__ import annotations

import ipaddress
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from web3 import HTTPProvider
from web3.types import RPCEndpoint

from swarm_chain.adapters.meter import Meter
from swarm_chain.core.traffic import Traffic
from swarm_chain.errors import ChainError, ChainUnavailable, ConfigurationError

Request = tuple[str, Sequence[Any]]
"""A JSON-RPC method and its parameters."""

_NOT_NOW = frozenset({401, 403, 408, 429})
_NOT_REPEATABLE = frozenset({"eth_sendRawTransaction"})

# A library below web3 raises Python's limit so far that deeply nested JSON ends the process instead of raising.
sys.setrecursionlimit(min(sys.getrecursionlimit(), 3000))

# Both log whole URLs, in which providers put their keys.
for _name in ("web3.providers.HTTPProvider", "web3.manager.RequestManager", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.INFO)


class RpcError(ChainError):
    """An endpoint refused a request. `data` is what it sent along, a revert's bytes for example."""

    def __init__(self, message: str, *, code: int = 0, data: object = None) -> None:
        super().__init__(f"{message}; try again, or use another RPC URL")
        self.text, self.code, self.data = message, code, data


class Unreachable(ChainUnavailable):
    """One endpoint did not answer; another may."""


class Endpoint:
    """One endpoint, over HTTP. Every request ends after `timeout` seconds. `meter` counts what is exchanged."""

    def __init__(self, url: str, *, timeout: float = 10.0, meter: Meter | None = None) -> None:
        """Raises `ConfigurationError` for what is not an http or https URL."""
        parts = _split(url)
        self.name = _without_secrets(parts)
        self._takes_batches = True
        self._meter = meter or Meter()
        session = None
        if _is_this_machine(parts.hostname or ""):
            # A proxy from the environment does not lead to this machine.
            session = requests.Session()
            session.trust_env = False
        self._provider = HTTPProvider(
            url,
            request_kwargs={"timeout": timeout, "hooks": {"response": self._count}},
            session=session,
            exception_retry_configuration=None,
        )

    def request(self, method: str, *parameters: Any) -> Any:
        """The result. Raises `RpcError`, `Unreachable`."""
        return self._result(method, self._answer(method, parameters))

    def batch(self, calls: Sequence[Request]) -> list[Any | RpcError]:
        """Results in order, each request's own error in its place. One round trip where the endpoint takes batches."""
        if self._takes_batches and len(calls) > 1:
            requests_ = [(RPCEndpoint(method), list(parameters)) for method, parameters in calls]
            answers = self._exchange(lambda: self._provider.make_batch_request(requests_), may_repeat=True)
            if isinstance(answers, list) and len(answers) == len(calls):
                return [self._outcome(call, self._mapping(answer)) for call, answer in zip(calls, answers, strict=True)]
        one_by_one = [self._outcome(call, self._answer(*call)) for call in calls]
        if len(calls) > 1:
            self._takes_batches = False
        return one_by_one

    def _answer(self, method: str, parameters: Sequence[Any]) -> Mapping[str, Any]:
        return self._mapping(
            self._exchange(
                lambda: self._provider.make_request(RPCEndpoint(method), list(parameters)),
                may_repeat=method not in _NOT_REPEATABLE,
            )
        )

    def _exchange(self, ask: Callable[[], object], *, may_repeat: bool) -> object:
        """What the endpoint answers, as JSON. Raises `Unreachable`."""
        try:
            return ask()
        except requests.HTTPError as error:
            return self._refusal(error)
        except requests.Timeout as error:
            raise self._unreachable(error) from None
        except requests.ConnectionError as error:
            # A server closes connections that were idle: the next one is fresh.
            if may_repeat:
                return self._exchange(ask, may_repeat=False)
            raise self._unreachable(error) from None
        except requests.RequestException as error:
            raise self._unreachable(error) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None  # web3 looks into what is no answer, or deeper than there is room for.

    def _count(self, response: requests.Response, **_: object) -> None:
        """Counts bodies as they went over the wire, an answer's compressed where it was."""
        asked, _answered = response.request.body, response.content
        sent = len(asked) if isinstance(asked, bytes | str) else 0
        self._meter.count(Traffic(rpc_sent=sent, rpc_received=response.raw.tell()))

    def _outcome(self, call: Request, answer: Mapping[str, Any]) -> Any | RpcError:
        try:
            return self._result(call[0], answer)
        except RpcError as error:
            return error

    def _result(self, method: str, answer: Mapping[str, Any]) -> Any:
        error = answer.get("error")
        if error is not None:
            raise self._rpc_error(method, error)
        if "result" not in answer:
            raise Unreachable(f"{self.name} does not speak JSON-RPC")
        return answer["result"]

    def _rpc_error(self, method: str, error: object) -> RpcError:
        if not isinstance(error, Mapping):
            return RpcError(f"{self.name} refused {method}: {str(error)[:300]}")
        code = error.get("code")
        text = f"{self.name} refused {method}: {str(error.get('message', error))[:300]}"
        return RpcError(text, code=code if isinstance(code, int) else 0, data=error.get("data"))

    def _refusal(self, error: requests.HTTPError) -> object:
        """What came with an HTTP error: some endpoints send JSON-RPC errors so. None for a request it does not take."""
        response = error.response
        status = 0 if response is None else response.status_code
        if response is None or status >= 500 or status in _NOT_NOW:
            raise Unreachable(f"{self.name} answers HTTP {status}") from None
        try:
            return response.json()
        except (ValueError, RecursionError):
            return None

    def _mapping(self, answer: object) -> Mapping[str, Any]:
        if not isinstance(answer, Mapping):
            raise Unreachable(f"{self.name} does not speak JSON-RPC")
        return answer

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self.name} does not answer ({_reason(error)})")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or True)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError("an RPC URL starts with http:// or https:// and a host; correct it")
    return parts


def _without_secrets(parts: SplitResult) -> str:
    """Scheme, host and port: user, path and query may hold keys."""
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    hidden = "/…" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{shown}{port}{hidden}"


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _reason(error: BaseException) -> str:
    """Why a connection failed, in words that hold no URL."""
    if isinstance(error, requests.Timeout):
        return "timed out"
    if isinstance(error, requests.exceptions.SSLError):
        return "its TLS certificate is not accepted"
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror.lower()
        inner = next((each for each in seen.args if isinstance(each, BaseException)), None)
        seen = getattr(seen, "reason", None) or inner or seen.__cause__ or seen.__context__
        seen = seen if isinstance(seen, BaseException) else None
    return type(error).__name__
