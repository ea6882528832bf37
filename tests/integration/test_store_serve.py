"""`swarm-chain store serve`: a process that other programs read blocks from, and that ends when it is told to."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
import requests

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.stores import open_store
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.serving import Limits
from tests.command_line import CommandLine
from tests.docs import DOCS

DATA = b"a block that other machines read"
CID = cid_of(DATA, Codec.RAW)


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)


@pytest.fixture
def store(line: CommandLine) -> LocalStore:
    """The store that commands use unless told."""
    made = LocalStore(line.home / "store")
    made.put(CID, DATA)
    return made


@pytest.fixture
def server(line: CommandLine, store: LocalStore) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "swarm_chain", "store", "serve", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=line.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
    )
    yield process
    process.kill()
    process.communicate()


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("SWARM_CHAIN_")}


def _url(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    return server.stdout.readline().strip()


def test_serve__a_block__is_read_by_its_cid_and_by_other_stores(server: subprocess.Popen[str]) -> None:
    url = _url(server)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    answer = requests.get(f"{url}/ipfs/{CID}?format=raw", timeout=10)
    assert hashlib.sha256(answer.content).digest() == CID.digest
    assert open_store(f"gateway:{url}").get(CID) == DATA


def test_serve__blocks_that_come_later__are_served_too(server: subprocess.Popen[str], store: LocalStore) -> None:
    url = _url(server)
    later = cid_of(b"later", Codec.RAW)
    assert requests.get(f"{url}/ipfs/{later}?format=raw", timeout=10).status_code == HTTPStatus.NOT_FOUND
    store.put(later, b"later")
    assert requests.get(f"{url}/ipfs/{later}?format=raw", timeout=10).content == b"later"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve__told_to_end__ends_in_order(server: subprocess.Popen[str], number: signal.Signals) -> None:
    url = _url(server)
    with requests.Session() as session:  # A connection that stays open holds nothing up.
        session.get(f"{url}/ipfs/{CID}?format=raw", timeout=10)
        started = time.monotonic()
        server.send_signal(number)
        _, said = server.communicate(timeout=60)
    assert time.monotonic() - started < Limits().head
    assert server.returncode == 0
    assert said.rstrip().endswith("stopped")
    assert f"--store gateway:{url}" in said


def test_serve__port_is_taken__says_so(server: subprocess.Popen[str], line: CommandLine) -> None:
    port = _url(server).rpartition(":")[2]
    assert "choose another port" in line.run("store", "serve", "--port", port).error


@pytest.mark.parametrize("spec", ["kubo:/ip4/127.0.0.1/tcp/5001", "gateway:http://127.0.0.1:1", "nonsense"])
def test_serve__no_local_store__is_refused(line: CommandLine, spec: str) -> None:
    assert "only a local store" in line.run("store", "serve", "--store", spec).error


def test_serve__no_such_folder__makes_none(line: CommandLine) -> None:
    assert "no store" in line.run("store", "serve", "--store", "local:nowhere").error
    assert not (line.folder / "nowhere").exists()


def test_serve__address_of_another_machine__is_refused(line: CommandLine, store: LocalStore) -> None:
    assert "192.0.2.250" in line.run("store", "serve", "--host", "192.0.2.250", "--port", "0").error


# ----------------------------------------------------------------------------------------------------------------- docs


def test_reference__limits__are_those_that_are_kept() -> None:
    page = (DOCS / "reference" / "gateway.md").read_text(encoding="utf-8")
    limits = Limits()
    for said in (
        f"| {limits.connections}, of one address {limits.connections_of_one};",
        f"| {limits.head:g} s until it is here whole;",
        f"must take {limits.slowest // 1024} KiB a second on average",
        f"something in each {limits.idle:g} s",
        f"| {limits.repeats:,} of them |",
        f"a request of more than {limits.head_bytes // 1024} KiB",
    ):
        assert said in page, said


def test_reference__statuses__are_all_that_the_code_answers_with() -> None:
    page = (DOCS / "reference" / "gateway.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| (\d{3}) \|", page, re.MULTILINE))
    sources = [path.read_text() for path in (DOCS.parent / "swarm_chain" / "serving").glob("*.py")]
    named = {str(HTTPStatus[name].value) for text in sources for name in re.findall(r"HTTPStatus\.([A-Z_]+)", text)}
    assert told == (named - {"204"}) | {"503"}
