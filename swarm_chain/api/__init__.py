"""A node from Python: the user's own training loop, in a script or a notebook, and the agent for everything else."""

from swarm_chain.api.node import SwarmNode
from swarm_chain.api.rounds import Round
from swarm_chain.api.session import Handed

__all__ = ["Handed", "Round", "SwarmNode"]
