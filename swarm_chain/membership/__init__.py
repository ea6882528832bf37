"""How an account becomes a node: ether for its gas, and joining with an invitation."""
