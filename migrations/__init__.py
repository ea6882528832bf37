"""What a swarm needs on a chain, in order. `swarm_chain.deployment` runs these modules and says what each must hold."""
