"""JSON-RPC to a chain on this machine, with the standard library alone."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from swarm_chain.errors import ChainUnavailable


def call_rpc(url: str, method: str, *parameters: object, timeout: float = 10.0) -> Any:
    """The result of one JSON-RPC call to a chain on this machine. Raises `ChainUnavailable`."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  http by rpc_url
    # A proxy from the environment does not lead to this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as response:
            answer = json.load(response)
    except (OSError, ValueError) as error:
        raise ChainUnavailable(f"{url} does not answer: {error}") from error
    if "error" in answer:
        raise ChainUnavailable(f"{url} refused {method}: {answer['error'].get('message', answer['error'])}")
    return answer["result"]
