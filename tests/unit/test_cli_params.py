"""What options take, and what they refuse."""

from __future__ import annotations

from typing import Any

import click
import pytest

from swarm_chain.agent.policy import Condition
from swarm_chain.cli.deploy import deploy
from swarm_chain.cli.output import printable, span
from swarm_chain.cli.params import ADDRESS, CONDITION, DIGEST, DURATION, ETHER, PLACE, SETTING, BytesParam
from swarm_chain.cli.plans import parse_setting
from swarm_chain.deployment import swarm_config
from swarm_chain.errors import ConfigurationError, InvalidCid
from swarm_chain.types import Address, Digest

CHECKSUMMED = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (ADDRESS, CHECKSUMMED, bytes.fromhex(CHECKSUMMED[2:])),
        (ADDRESS, CHECKSUMMED.lower(), bytes.fromhex(CHECKSUMMED[2:])),
        (DIGEST, "0x" + "ab" * 32, b"\xab" * 32),
        (DIGEST, "bafyreiarceirceirceirceirceirceirceirceirceirceirceirceirce", b"\x11" * 32),
        (BytesParam("A salt"), "cd" * 32, b"\xcd" * 32),
        (DURATION, "90", 90),
        (DURATION, "90s", 90),
        (DURATION, "15m", 900),
        (DURATION, "2h", 7_200),
        (DURATION, "7d", 604_800),
        (ETHER, "1", 10**18),
        (ETHER, "0.5", 5 * 10**17),
        (ETHER, "0.000000000000000001", 1),
        (CONDITION, "accuracy>=0.95", Condition(metric="accuracy", bound=0.95)),
        (CONDITION, " loss <= -1e-3 ", Condition(metric="loss", bound=-0.001, is_ceiling=True)),
        (CONDITION, "female.r2>=0.5", Condition(metric="female.r2", bound=0.5)),
        (SETTING, "epochs=5", ("epochs", "5")),
        (SETTING, "name=a=b", ("name", "a=b")),
        (PLACE, "https://anna.example/ipfs", "https://anna.example/ipfs"),
        (PLACE, "/dns4/anna.example/tcp/4001/p2p/12D3KooW", "/dns4/anna.example/tcp/4001/p2p/12D3KooW"),
    ],
)
def test_convert__what_is_meant__is_read(kind: click.ParamType[Any], text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value
    assert kind.convert(value, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ADDRESS, ""),
        (ADDRESS, CHECKSUMMED[2:]),
        (ADDRESS, CHECKSUMMED[:-1]),
        (ADDRESS, CHECKSUMMED.replace("f39F", "F39f")),
        (BytesParam("A salt"), "cd" * 31),
        (DURATION, "0"),
        (DURATION, "-5"),
        (DURATION, "soon"),
        (DURATION, "1.5h"),
        (DURATION, "9999999999w"),
        (ETHER, "0"),
        (ETHER, "-1"),
        (ETHER, "NaN"),
        (ETHER, "Infinity"),
        (ETHER, "0.0000000000000000001"),
        (ETHER, "much"),
        (CONDITION, "accuracy>0.95"),
        (CONDITION, "accuracy"),
        (CONDITION, ">=1"),
        (CONDITION, "accuracy>=nan"),
        (CONDITION, "loss>=0.3"),
        (CONDITION, "female.brier>=0.3"),
        (SETTING, "epochs"),
        (SETTING, "=5"),
        (PLACE, "local:/home/anna/store"),
        (PLACE, "/home/anna/store"),
        (PLACE, "file:///home/anna/store"),
        (PLACE, "https://a.example https://b.example"),
    ],
)
def test_convert__anything_else__is_refused(kind: click.ParamType[Any], text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


def test_convert__half_a_digest__says_what_a_digest_is() -> None:
    with pytest.raises(InvalidCid, match="'0x12' is no digest, 0x and 64 hexadecimal digits"):
        DIGEST.convert("0x12", None, None)


def test_convert__a_cid_of_weights__is_no_digest_on_chain() -> None:
    with pytest.raises(InvalidCid, match="names no document"):
        DIGEST.convert("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", None, None)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [("epochs", "7", 7), ("rate", "0.5", 0.5), ("rate", "1", 1.0), ("flag", "true", True), ("flag", "false", False)],
)
def test_parse_setting__takes_the_type_that_the_hyperparameter_has(key: str, text: str, value: object) -> None:
    parsed = parse_setting(key, text, {"epochs": 5, "rate": 0.1, "flag": False})
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(("key", "text"), [("epochs", "0.5"), ("flag", "1"), ("rate", "fast"), ("unknown", "1")])
def test_parse_setting__anything_else__is_refused(key: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=key):
        parse_setting(key, text, {"epochs": 5, "rate": 0.1, "flag": False})


def test_deploy__defaults_of_options__are_those_of_swarm_config() -> None:
    context = deploy.make_context("deploy", [])
    defaults = swarm_config(task_digest=Digest(bytes(32)), genesis_digest=Digest(bytes(32)), admin=Address(bytes(20)))
    names = ["quorum_bps", "min_updates", "initial_window", "min_window", "max_window", "reveal_window", "merge_window"]
    for name in [*names, "absence_limit", "open_registration"]:
        assert context.params[name] == getattr(defaults, name), name
    assert context.params["direct"] is not defaults.is_sealed


def test_deploy__more_nodes_than_a_result_has_room_for__is_refused_before_anything_is_done() -> None:
    with pytest.raises(ConfigurationError, match=r"at most 10,000"):
        deploy.main(["--nodes", "10001"], standalone_mode=False)


@pytest.mark.parametrize(("seconds", "shown"), [(-3, "0:00"), (5, "0:05"), (95, "1:35"), (3_700, "1:01:40")])
def test_span__is_read_as_people_say_it(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def test_printable__escapes_of_a_terminal__are_gone() -> None:
    assert printable("a\x1b[2Jb\u202ec\nd") == "a?[2Jb?c?d"
