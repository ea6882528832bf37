"""Mutation tests of the contract: small faults put into it on purpose, each of which must turn some test red."""
