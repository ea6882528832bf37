"""Who may invite, add and remove nodes: named and dismissed by the swarm's admin."""

from __future__ import annotations

from swarm_chain.deployment.deployer import Deployer
from swarm_chain.errors import DeploymentError
from swarm_chain.types import Address, Gas


def is_registrar(deployer: Deployer, contract: Address, account: Address) -> bool:
    """Whether an account may sign invitations now."""
    return bool(deployer.read(contract, "hasRole", deployer.read(contract, "REGISTRAR_ROLE"), account))


def set_registrar(deployer: Deployer, contract: Address, account: Address, *, may_invite: bool) -> Gas | None:
    """The gas of making an account a registrar, or none any more; None where it is so already and nothing was sent.

    Raises `DeploymentError` if the sender is not the swarm's admin, and what sending raises.
    """
    if is_registrar(deployer, contract, account) == may_invite:
        return None
    if not deployer.read(contract, "hasRole", deployer.read(contract, "DEFAULT_ADMIN_ROLE"), deployer.sender):
        admin = deployer.read(contract, "swarmInfo").config.admin
        raise DeploymentError(
            f"0x{deployer.sender.hex()} is not the swarm's admin; use that account (at deployment: 0x{admin.hex()})"
        )
    function = "grantRole" if may_invite else "revokeRole"
    data = deployer.encode(function, deployer.read(contract, "REGISTRAR_ROLE"), account)
    receipt = deployer.send(function, contract, data, lambda _signed, _nonce: None)
    return Gas(int(receipt["gasUsed"], 16))
