"""A development chain on this machine: `anvil.toml` to a running Anvil, or Ganache, that funds dev0, dev1, …"""

from swarm_chain.devnet.chain import READY_TIMEOUT, STOP_TIMEOUT, Devnet, development_addresses
from swarm_chain.devnet.ports import free_port, port_in_use
from swarm_chain.devnet.programs import CLIENTS, Client, find_client, find_ipfs
from swarm_chain.devnet.rpc import call_rpc

__all__ = [
    "CLIENTS",
    "READY_TIMEOUT",
    "STOP_TIMEOUT",
    "Client",
    "Devnet",
    "call_rpc",
    "development_addresses",
    "find_client",
    "find_ipfs",
    "free_port",
    "port_in_use",
]
