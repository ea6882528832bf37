"""An agent that may only connect outwards: a node that somebody else runs, behind HTTPS, a token and a proxy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm_chain.adapters.stores import open_store
from swarm_chain.core import dagcbor
from swarm_chain.core.publication import Publication
from swarm_chain.core.unixfs import CHUNK, import_bytes, read
from swarm_chain.errors import StoreUnavailable
from tests.doors import Door, guarded, make_ca, proxy
from tests.ipfs import Daemon

TOKEN = "0pen-s3same"
WEIGHTS = os.urandom(3 * CHUNK + 1)
FILE = import_bytes(WEIGHTS)
PUBLICATION = Publication(document=dagcbor.encode({"weights": FILE.cid}), files=(WEIGHTS,))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def door(ipfs: Daemon, certificates: tuple[Path, Path]) -> Iterator[Door]:
    _, _, host, _, port = ipfs.api.split("/")
    with guarded((host, int(port)), certificates[1], TOKEN) as found:
        yield found


@pytest.fixture
def settings(door: Door, certificates: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with a store `hospital`: everything that it takes to get in."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    path = tmp_path / "settings.toml"
    path.write_text(
        f'[stores.hospital]\naddress = "https://localhost:{door.port}"\n'
        f'token_file = "token"\nca_file = "{certificates[0]}"\ntimeout = 5\n'
    )
    monkeypatch.setenv("SWARM_CHAIN_SETTINGS", str(path))
    return path


def take_part() -> None:
    """Publishes there, and reads what was published."""
    store = open_store("kubo:hospital")
    assert store.name == "kubo:hospital"
    store.publish(PUBLICATION)
    assert store.get(PUBLICATION.root) == PUBLICATION.document
    assert b"".join(read(store.get, FILE)) == WEIGHTS
    assert store.pinned({PUBLICATION.root, FILE.cid}) == {PUBLICATION.root, FILE.cid}


def test_node__behind_https_and_a_token__is_used_by_its_name(settings: Path, door: Door) -> None:
    take_part()
    assert set(door.passed) == {"let in"}


def test_node__through_a_proxy__is_reached_by_it_alone(settings: Path, door: Door) -> None:
    with proxy() as found:
        settings.write_text(settings.read_text() + f'proxy = "http://127.0.0.1:{found.port}"\n')
        take_part()
        assert set(found.passed) == {f"CONNECT localhost:{door.port}"}


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_node__a_proxy_in_the_environment__is_not_asked(
    settings: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    take_part()


def test_node__a_password_in_netrc__does_not_take_the_tokens_place(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login me password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    take_part()


def test_node__without_the_token__refuses_and_the_error_says_what_to_do(settings: Path) -> None:
    settings.write_text(settings.read_text().replace('token_file = "token"\n', ""))
    for call in (
        lambda store: store.get(PUBLICATION.root),
        lambda store: store.publish(PUBLICATION),
    ):
        with pytest.raises(StoreUnavailable, match="token_file"):
            call(open_store("kubo:hospital"))


def test_node__a_wrong_token__is_not_repeated_in_the_error(settings: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("my-s3cret")
    with pytest.raises(StoreUnavailable, match="refuses to be asked") as raised:
        open_store("kubo:hospital").get(PUBLICATION.root)
    assert "my-s3cret" not in str(raised.value)


def test_node__a_ca_that_is_not_known_here__is_not_trusted(settings: Path, door: Door) -> None:
    settings.write_text("".join(line for line in settings.open() if not line.startswith("ca_file")))
    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        open_store("kubo:hospital").get(PUBLICATION.root)
    assert not door.passed


def test_node__its_certificate_is_for_another_name__is_not_trusted(settings: Path, door: Door) -> None:
    settings.write_text(settings.read_text().replace("localhost", "127.0.0.1"))
    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        open_store("kubo:hospital").get(PUBLICATION.root)
    assert not door.passed
