"""All that speaks for the contract, run by `make contracts`: tests, walks, proofs, findings, coverage, gas, and faults
planted to see that each of these notices. The figures are the tools' own.
"""
