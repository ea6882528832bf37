"""A page on a swarm: its metrics by round and site, who took part, what it cost. It repeats, and judges nothing."""

from __future__ import annotations

from swarm_chain.reporting.document import document_of
from swarm_chain.reporting.file import write_page
from swarm_chain.reporting.page import render
from swarm_chain.reporting.reading import read_report
from swarm_chain.reporting.report import LocalAgent, Part, Report, ResultEntry, RoundEntry, Taking

__all__ = [
    "LocalAgent",
    "Part",
    "Report",
    "ResultEntry",
    "RoundEntry",
    "Taking",
    "document_of",
    "read_report",
    "render",
    "write_page",
]
