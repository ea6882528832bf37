"""Several endpoints of one chain: the next one answers where one does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from swarm_chain.adapters.ethereum.endpoint import Endpoint, Request, RpcError, Unreachable
from swarm_chain.adapters.meter import Meter
from swarm_chain.errors import ChainUnavailable, ConfigurationError, WrongChain

T = TypeVar("T")


class Endpoints:
    """One or more endpoints, each checked to serve the same chain before it is first used."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        chain_id: int | None = None,
        timeout: float = 10.0,
        meter: Meter | None = None,
    ) -> None:
        """`chain_id` is the expected chain's; None takes the first endpoint's. Raises `ConfigurationError`."""
        if not urls:
            raise ConfigurationError("no RPC URL is given; give one, as in http://127.0.0.1:8545")
        self._endpoints = [Endpoint(url, timeout=timeout, meter=meter) for url in urls]
        self._checked: set[Endpoint] = set()
        self._expected = chain_id

    @property
    def chain_id(self) -> int:
        """The chain's id. Raises `ChainUnavailable`, `WrongChain`."""
        if self._expected is None:
            self.request("eth_chainId")
        assert self._expected is not None  # noqa: S101
        return self._expected

    @property
    def names(self) -> str:
        """The endpoints, for messages."""
        return ", ".join(endpoint.name for endpoint in self._endpoints)

    def request(self, method: str, *parameters: Any) -> Any:
        """One result. Raises `ChainUnavailable`, `RpcError`."""
        return self._from_first(lambda endpoint: endpoint.request(method, *parameters))

    def batch(self, calls: Sequence[Request]) -> list[Any | RpcError]:
        """Results of one endpoint in order, each request's own error in its place."""
        return self._from_first(lambda endpoint: endpoint.batch(calls))

    def _from_first(self, ask: Callable[[Endpoint], T]) -> T:
        problems = []
        for endpoint in tuple(self._endpoints):
            try:
                self._check(endpoint)
                answer = ask(endpoint)
            except Unreachable as error:
                problems.append(str(error))
                continue
            self._prefer(endpoint)
            return answer
        raise ChainUnavailable(f"{'; '.join(problems)}; check the RPC URL and that the chain runs")

    def _prefer(self, endpoint: Endpoint) -> None:
        # Stays with the one that answered: going back and forth would mix two views of the chain.
        if self._endpoints[0] is not endpoint:
            self._endpoints = [endpoint, *(other for other in self._endpoints if other is not endpoint)]

    def _check(self, endpoint: Endpoint) -> None:
        if endpoint in self._checked:
            return
        answer = endpoint.request("eth_chainId")
        try:
            actual = int(answer, 16)
        except (TypeError, ValueError):
            raise Unreachable(f"{endpoint.name} gives no chain id") from None
        if self._expected is None:
            self._expected = actual
        if actual != self._expected:
            raise WrongChain(f"{endpoint.name} serves chain {actual}, not {self._expected}; correct the RPC URL")
        self._checked.add(endpoint)
