"""What all suites share: one IPFS node a session, for those that ask for it; and no haste for Hypothesis."""

from hypothesis import HealthCheck, settings

from tests.ipfs import ipfs

__all__ = ["ipfs"]

# How long an example takes says how busy the machine is.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
