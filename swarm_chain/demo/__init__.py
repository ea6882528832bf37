"""A whole swarm on this machine, from an empty folder to an audited model: what `swarm-chain demo` runs."""

from __future__ import annotations

from swarm_chain.demo.places import Places
from swarm_chain.demo.report import DemoReport, NodeReport, RoundSummary
from swarm_chain.demo.run import run_demo
from swarm_chain.demo.scene import AgentState, Scene, Screen
from swarm_chain.demo.settings import DemoSettings

__all__ = [
    "AgentState",
    "DemoReport",
    "DemoSettings",
    "NodeReport",
    "Places",
    "RoundSummary",
    "Scene",
    "Screen",
    "run_demo",
]
