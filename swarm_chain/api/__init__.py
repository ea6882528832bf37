"""A swarm from Python, in a script or a notebook: a node with the user's own training loop, and agreed models."""

from swarm_chain.api.loading import load_model
from swarm_chain.api.node import SwarmNode
from swarm_chain.api.rounds import Round
from swarm_chain.api.session import Handed

__all__ = ["Handed", "Round", "SwarmNode", "load_model"]
