"""Invitations for all nodes of a swarm, and names that follow a name."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from swarm_chain.adapters.memory import MemoryChain
from swarm_chain.core.invitation_codes import check_invitation, decode_invitation, recover_registrar
from swarm_chain.core.names import following
from swarm_chain.errors import ConfigurationError
from swarm_chain.membership.inviting import (
    Member,
    Terms,
    file_names,
    members_of,
    without_those_in,
    write_invitations,
)
from swarm_chain.types import AddNode, Address, BlockNumber, Lift, RemoveNode, Suspend, Timestamp
from tests.chains import CONFIG, signer

ADMIN = signer(0)
TERMS = Terms(
    chain_id=31337,
    rpc_urls=("http://127.0.0.1:8545",),
    contract=Address(b"\x0c" * 20),
    deployment_block=BlockNumber(7),
    stores=("local:/blocks",),
    expiry=Timestamp(2_000_000_000),
)


def account(number: int) -> Address:
    return Address(bytes([number]) * 20)


@pytest.fixture
def chain() -> MemoryChain:
    """A swarm of nodes 1 to 5, called by letters."""
    made = MemoryChain(replace(CONFIG, open_registration=False)).as_account(ADMIN.address)
    for number, label in enumerate("abcde", start=1):
        made.send(AddNode(node=account(number), label=label))
    return made


def labels(members: Any) -> str:
    return "".join(member.label for member in members)


# -------------------------------------------------------------------------------------------------------------- members


def test_members_of__all_take_part__are_all_in_their_order(chain: MemoryChain) -> None:
    assert members_of(chain) == tuple(
        Member(account=account(number), label=label) for number, label in enumerate("abcde", start=1)
    )


def test_members_of__removed_or_suspended_by_a_registrar__are_left_out(chain: MemoryChain) -> None:
    chain.send(RemoveNode(node=account(1)))
    chain.send(Suspend(node=account(2)))
    chain.send(Suspend(node=account(3)))
    chain.send(Lift(node=account(3)))

    assert labels(members_of(chain)) == "cde"


def test_members_of__suspended_its_own_node__is_in(chain: MemoryChain) -> None:
    chain.as_account(account(4)).send(Suspend(node=account(4)))

    assert labels(members_of(chain)) == "abcde"


def test_members_of__added_again_with_another_label__has_the_newest(chain: MemoryChain) -> None:
    chain.send(RemoveNode(node=account(1)))
    chain.send(AddNode(node=account(1), label="z"))

    assert labels(members_of(chain)) == "zbcde"


def test_without_those_in__joined_or_removed_there__need_no_invitation(chain: MemoryChain) -> None:
    other = MemoryChain(replace(CONFIG, open_registration=False), coordinator=account(0xC)).as_account(ADMIN.address)
    for number in (1, 2):
        other.send(AddNode(node=account(number), label="x"))
    other.send(RemoveNode(node=account(2)))

    assert labels(without_those_in(other, members_of(chain))) == "cde"


# ---------------------------------------------------------------------------------------------------------------- files


def test_write_invitations__each_member__has_a_code_of_its_own(tmp_path: Path) -> None:
    members = [Member(account=account(number), label=label) for number, label in ((1, "clinic"), (2, "lab"))]

    written = write_invitations(tmp_path / "new" / "folder", members, TERMS, ADMIN)

    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["clinic.code", "lab.code"]
    for member, path in written.items():
        code = decode_invitation(path.read_text())
        check_invitation(code, account=member.account, now=Timestamp(1_999_999_999))
        assert recover_registrar(code) == ADMIN.address
        assert (code.contract, code.stores, code.deployment_block) == (TERMS.contract, TERMS.stores, 7)


def test_write_invitations__again__replaces_the_code(tmp_path: Path) -> None:
    members = [Member(account=account(1), label="clinic")]
    write_invitations(tmp_path, members, TERMS, ADMIN)

    (path,) = write_invitations(tmp_path, members, replace(TERMS, expiry=Timestamp(2_000_000_001)), ADMIN).values()

    assert decode_invitation(path.read_text()).invitation.expiry == 2_000_000_001


def test_write_invitations__the_place_is_a_file__is_one_line_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")

    with pytest.raises(ConfigurationError, match="choose another place with --invitations"):
        write_invitations(tmp_path / "taken", [Member(account=account(1), label="a")], TERMS, ADMIN)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Saint Mary's", "Saint-Mary-s.code"),
        ("../../etc/passwd", "etc-passwd.code"),
        ("/absolute", "absolute.code"),
        (".hidden", "hidden.code"),
        ("-rf", "rf.code"),
        ("a\x00b\nc\x1b[2J", "a-b-c-2J.code"),
        ("x" * 64, "x" * 40 + ".code"),
        ("Klinik für 心", "Klinik-f-r.code"),
        ("", f"0x{'01' * 20}.code"),
        ("…/..", f"0x{'01' * 20}.code"),
    ],
)
def test_file_names__any_label__stays_in_the_folder(label: str, name: str) -> None:
    member = Member(account=account(1), label=label)

    assert file_names([member]) == {member: name}


def test_file_names__labels_that_look_alike__have_their_addresses() -> None:
    members = [Member(account=account(number), label=label) for number, label in ((1, "Lab"), (2, "lab"), (3, "bar"))]

    assert list(file_names(members).values()) == [f"Lab-0x{'01' * 20}.code", f"lab-0x{'02' * 20}.code", "bar.code"]


def test_file_names__a_label_that_is_anothers_name_with_its_address__is_told_apart() -> None:
    members = [
        Member(account=account(1), label="lab"),
        Member(account=account(2), label="lab"),
        Member(account=account(3), label=f"lab-0x{'01' * 20}"),
    ]

    names = list(file_names(members).values())

    assert len({name.casefold() for name in names}) == 3


# ---------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("lab", ["lab-2", "lab-3"]),
        ("lab-2", ["lab-3", "lab-4"]),
        ("lab-9", ["lab-10", "lab-11"]),
        ("ward-1", ["ward-1-2", "ward-1-3"]),
        ("lab-2026-05", ["lab-2026-05-2", "lab-2026-05-3"]),
        ("abcdefghij12", ["abcdefghij-2", "abcdefghij-3"]),
    ],
)
def test_following__any_name__counts_on(name: str, after: list[str]) -> None:
    assert list(islice(following(name, longest=12 if len(name) == 12 and "-" not in name else 64), 2)) == after
