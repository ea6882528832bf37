"""What is exchanged with endpoints is counted as it goes over the wire."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from swarm_chain.adapters.ethereum.endpoint import Endpoint
from swarm_chain.adapters.ethereum.endpoints import Endpoints
from swarm_chain.adapters.meter import Meter
from swarm_chain.core.traffic import Traffic


class Listener(BaseHTTPRequestHandler):
    """An endpoint that answers in compressed JSON, and remembers the lengths of both bodies."""

    bodies: list[tuple[int, int]]
    status = 200

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(request)
        answers = [{"jsonrpc": "2.0", "id": one["id"], "result": "0x" + "7a" * 500} for one in _list(asked)]
        body = gzip.compress(json.dumps(answers if isinstance(asked, list) else answers[0]).encode())
        self.bodies.append((len(request), len(body)))
        self.send_response(self.status)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def _list(asked: object) -> list[dict[str, object]]:
    return asked if isinstance(asked, list) else [asked]  # type: ignore[list-item]


@pytest.fixture
def served() -> Iterator[tuple[str, type[Listener]]]:
    handler = type("Handler", (Listener,), {"bodies": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


def test_endpoint__requests_and_batches__are_counted_as_they_go_over_the_wire(
    served: tuple[str, type[Listener]],
) -> None:
    url, handler = served
    meter = Meter()
    endpoints = Endpoints([url], chain_id=int("7a" * 500, 16), meter=meter)
    endpoints.request("eth_call", {"data": "0x" + "00" * 300})
    endpoints.batch([("eth_blockNumber", []), ("eth_gasPrice", [])])
    sent, received = (sum(lengths) for lengths in zip(*handler.bodies, strict=True))
    assert len(handler.bodies) == 3
    assert meter.total() == Traffic(rpc_sent=sent, rpc_received=received)


def test_endpoint__refused_with_an_http_error__is_counted_too(served: tuple[str, type[Listener]]) -> None:
    url, handler = served
    handler.status = 400
    meter = Meter()
    Endpoint(url, meter=meter).request("eth_blockNumber")
    assert meter.total() == Traffic(rpc_sent=handler.bodies[0][0], rpc_received=handler.bodies[0][1])
