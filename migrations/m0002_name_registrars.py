"""Who may invite besides the admin. Due again whenever `deploy` is given a registrar who is none yet."""

from __future__ import annotations

from swarm_chain.deployment import Context
from swarm_chain.errors import DeploymentError
from swarm_chain.types import Address

description = "name the registrars that were asked for"


def is_due(context: Context) -> bool:
    """While someone who should be a registrar is none."""
    return bool(_missing(context))


def run(context: Context) -> None:
    """Grants the registrar role to each, in a transaction of their own."""
    if context.sender != context.deployment.config.admin:
        raise DeploymentError(
            f"only the admin 0x{context.deployment.config.admin.hex()} can name registrars; deploy with that account"
        )
    for registrar in _missing(context):
        context.call(f"name registrar 0x{registrar.hex()}", "grantRole", _role(context), registrar)


def _missing(context: Context) -> list[Address]:
    wanted = sorted(set(context.registrars) - {context.deployment.config.admin})
    if context.deployment.contract is None:
        return wanted
    return [each for each in wanted if not context.read("hasRole", context.read("REGISTRAR_ROLE"), each)]


def _role(context: Context) -> bytes:
    return bytes(32) if context.deployment.contract is None else bytes(context.read("REGISTRAR_ROLE"))
