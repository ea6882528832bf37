"""A report's file: made again and again, never in place of something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from swarm_chain.errors import ConfigurationError, WouldOverwrite
from swarm_chain.reporting import Report, render, write_page
from swarm_chain.types import Address, Digest
from tests.many_sites import many_sites

REPORT = many_sites(sites=3, rounds=2)


def test_write_page__nothing_there__writes_it_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_page(REPORT, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == render(REPORT)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_write_page__older_report_on_the_same_swarm__is_replaced(tmp_path: Path) -> None:
    write_page(many_sites(sites=3, rounds=1), tmp_path / "page.html")
    write_page(REPORT, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == render(REPORT)


@pytest.mark.parametrize("content", [b"", b"my thesis", b"<!doctype html>\n<title>mine</title>", b"\xff\x00"])
def test_write_page__something_else_is_there__refuses_and_keeps_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(content)
    with pytest.raises(WouldOverwrite, match="is no report; choose another"):
        write_page(REPORT, path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "other",
    [
        replace(REPORT, chain_id=2),
        replace(REPORT, contract=Address(b"\x0d" * 20)),
        replace(REPORT, config=replace(REPORT.config, genesis_digest=Digest(b"\x07" * 32))),
    ],
    ids=["chain", "contract", "genesis"],
)
def test_write_page__report_on_another_swarm__refuses_and_keeps_it(other: Report, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_page(other, path)
    before = path.read_bytes()
    with pytest.raises(WouldOverwrite, match="report on another swarm"):
        write_page(REPORT, path)
    assert path.read_bytes() == before


def test_write_page__forced__replaces_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("my thesis", encoding="utf-8")
    write_page(REPORT, path, force=True)
    assert path.read_text(encoding="utf-8") == render(REPORT)


@pytest.mark.parametrize("force", [True, False])
def test_write_page__a_folder_is_there__is_kept(force: bool, tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises((WouldOverwrite, ConfigurationError)):
        write_page(REPORT, tmp_path / "page.html", force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_write_page__no_such_folder__says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written: No such file or directory"):
        write_page(REPORT, tmp_path / "nowhere" / "page.html")
