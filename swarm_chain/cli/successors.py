"""From one swarm to the next: the result that a successor starts from, and invitations for the earlier one's nodes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.options import Place
from swarm_chain.cli.output import checksum, printable, say
from swarm_chain.cli.told import endpoints_to_tell, stores_to_tell
from swarm_chain.errors import NotRegistrar
from swarm_chain.types import Address, Seconds, Timestamp

if TYPE_CHECKING:
    from swarm_chain.accounts import Signer
    from swarm_chain.adapters.web3_chain import Web3Chain
    from swarm_chain.cli.connect import Found
    from swarm_chain.deployment.successor import Ancestor
    from swarm_chain.membership.inviting import Terms
    from swarm_chain.ports import Chain, UpdateStore

INVITATIONS = "invitations"
"""The folder, below the one where a command is typed, that has a folder of codes for every swarm."""
EXPIRY = Seconds(7 * 86_400)
"""How long an invitation can be used unless told."""


class OriginParam(click.ParamType[tuple[str, int | None]]):
    """A swarm, and one of its rounds: `default`, `default@2`, `0x…@2`."""

    name = "CONTRACT[@ROUND]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int | None]:
        """The contract's address or its deployment's name, and the round; None for the head."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([^@\s]+)(?:@(\d{1,18}))?", str(value))
        if match is None:
            self.fail(
                f"{value!r} is no swarm and round; write e.g. default@2, or 0x…@2 (0 is the genesis).", param, ctx
            )
        return match[1], None if match[2] is None else int(match[2])


ORIGIN = OriginParam()


def open_earlier(
    origin: tuple[str, int | None], place: Place, from_rpc: Sequence[str], store: UpdateStore
) -> tuple[Web3Chain, Ancestor]:
    """The earlier swarm and its result. Raises what `find_contract` and `read_ancestor` do."""
    from swarm_chain.cli.connect import connect, find_contract
    from swarm_chain.deployment.successor import read_ancestor

    contract, number = origin
    found = find_contract(Place(rpc=tuple(from_rpc), network=None) if from_rpc else place, contract)
    chain = connect(found)
    ancestor = read_ancestor(chain, store, number=number, depth=found.target.confirmations)
    say(f"starting from {ancestor.described}: {ancestor.agreed.cid}")
    return chain, ancestor


def terms_of(found: Found, chain: Chain, stores: Sequence[str], expires: Seconds) -> Terms:
    """What an invitation to a swarm says besides whom it is for."""
    from swarm_chain.cli.connect import connect
    from swarm_chain.membership.inviting import Terms

    rpc_urls = endpoints_to_tell(found.target.rpc_urls, chain.chain_id)
    return Terms(
        chain_id=chain.chain_id,
        rpc_urls=rpc_urls,
        contract=found.contract,
        deployment_block=connect(found).deployed_at(),
        stores=stores_to_tell(stores, rpc_urls),
        expiry=Timestamp(chain.look().now + expires),
    )


def invitations_folder(found: Found) -> Path:
    """Where codes for a swarm are written unless told: `invitations/NAME`, by its deployment's name or its address."""
    from swarm_chain.deployment.deployments import Deployments

    known = Deployments().on_chain(found.target.chain_id)
    name = next((one.name for one in known if one.contract == found.contract), f"0x{found.contract.hex()}")
    return Path(INVITATIONS) / name


def is_registrar(found: Found, account: Address) -> bool:
    """Whether an account's invitations to a swarm count."""
    from swarm_chain.deployment import registrars
    from swarm_chain.deployment.deployer import Deployer

    deployer = Deployer(found.target.rpc_urls, sender=account, chain_id=found.target.chain_id)
    return registrars.is_registrar(deployer, found.contract, account)


def require_registrar(found: Found, account: Address) -> None:
    """Raises `NotRegistrar`: an invitation by anybody else could not be used."""
    if not is_registrar(found, account):
        raise NotRegistrar(caller=account)


def invite_all(
    earlier: Chain, found: Found, signer: Signer, stores: Sequence[str], *, expires: Seconds, folder: Path
) -> tuple[Address, ...]:
    """The accounts that codes were written for: every node of an earlier swarm that is not in this one. Says so."""
    from swarm_chain.cli.connect import connect
    from swarm_chain.membership.inviting import members_of, without_those_in, write_invitations

    chain = connect(found)
    everybody = members_of(earlier)
    members = without_those_in(chain, everybody)
    if not members:
        say(f"nobody to invite: 0x{earlier.coordinator.hex()} has no node that this swarm does not know")
        return ()
    written = write_invitations(folder, members, terms_of(found, chain, stores, expires), signer)
    for member, path in written.items():
        click.echo(f"invitation {checksum(member.account)} {path} {printable(member.label)}".rstrip())
    say(f"{len(members)} of {len(everybody)} nodes of the earlier swarm are invited: send each its own file")
    return tuple(member.account for member in members)
