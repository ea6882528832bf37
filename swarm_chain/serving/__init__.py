"""A local store for other machines to read: a trustless gateway over it, in a process of its own or in an agent's."""

from swarm_chain.serving.gateway import Gateway, start
from swarm_chain.serving.limits import Limits

__all__ = ["Gateway", "Limits", "start"]
