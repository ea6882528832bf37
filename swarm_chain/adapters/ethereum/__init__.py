"""The parts of `web3_chain`: endpoints, the contract's ABI, logs, reverts, fees, transactions, the chain's clock."""
