"""`python -m swarm_chain`: the swarm-chain command."""

from swarm_chain.cli import main

main()
