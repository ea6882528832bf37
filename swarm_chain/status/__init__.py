"""What is going on: in a swarm, read from its chain and stores, and on a node of this machine."""
