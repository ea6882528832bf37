"""`swarm-chain join`: from an invitation code to a registered, configured node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.calls import Line
from swarm_chain.cli.options import Place, Sender, place_options, sender_options, store_option
from swarm_chain.cli.output import checksum, next_steps, say
from swarm_chain.cli.params import DIGEST
from swarm_chain.errors import AccountError
from swarm_chain.types import Digest

if TYPE_CHECKING:
    from swarm_chain.accounts import Keystore
    from swarm_chain.core.invitation_codes import InvitationCode
    from swarm_chain.membership.joining import Choice


@click.command()
@click.argument("code")
@click.option("--label", help="What people call the node, 64 bytes, public for ever. Without it the account's name.")
@click.option("--name", help="What this machine calls it. Without it the account's name.")
@click.option(
    "--accept-task",
    "digest",
    type=DIGEST,
    help="Run the swarm's task, which is source code, if this is its digest: `swarm-chain task show` prints both.",
)
@click.option(
    "--task",
    metavar="FILE:CLASS",
    help="Run the swarm's task if it is this one, of which you have the source.",
)
@click.option("--data", metavar="SPEC", help="The node's own data, as its task takes it. It never leaves this machine.")
@store_option
@place_options
@sender_options
def join(
    code: str,
    label: str | None,
    name: str | None,
    digest: Digest | None,
    task: str | None,
    data: str | None,
    stores: tuple[str, ...],
    place: Place,
    sender: Sender,
) -> None:
    """Join a swarm with an invitation code.

    Checks that the chain, the contract and the task are what they should be, registers the invited account, and writes
    the node's configuration: a file to read, and to edit. CODE names the chain, its RPC endpoints and the stores;
    --rpc, --network and --store replace these.

    A task may be source code that its swarm brings along. Nothing of it runs before you accepted it: at the prompt,
    which shows it, or by --accept-task.
    """
    from swarm_chain.accounts import open_keystore
    from swarm_chain.adapters.stores import open_stores
    from swarm_chain.cli.passwords import ask_password
    from swarm_chain.cli.task import asker
    from swarm_chain.core.invitation_codes import decode_invitation
    from swarm_chain.genesis import task_of
    from swarm_chain.membership import joining
    from swarm_chain.membership.acceptance import accept, read_offer

    invited = decode_invitation(code)
    keystore = _keystore(invited, sender.account)
    label = keystore.name if label is None else label
    choice = _choice(invited, keystore, name or keystore.name, label, data, stores, place, sender)
    is_configured = joining.check_folder(choice, invited)
    signer = open_keystore(keystore.path, ask_password(keystore.name, sender.password_file))
    chain = joining.connect_invited(invited, signer, choice.rpc_urls)
    store = open_stores(choice.stores)
    document = joining.swarms_task(chain, store)
    accepted = accept(read_offer(document, store), store, digest=digest, task=task, ask=asker())
    checked = joining.check_data(task_of(document, store.get, accepted=accepted), choice.data)
    receipt = joining.register(chain, invited, choice, is_configured=is_configured)
    joining.configure(invited, choice, document, checked, accepted=accepted)
    if receipt is None:
        say(f"{signer.checksum_address} is a node of the swarm already")
    else:
        Line(chain=chain, confirmations=choice.confirmations).report(receipt, "registerWithInvitation")
    say(f"the node's configuration is {choice.config_file}")
    next_steps(f"swarm-chain agent run {choice.folder.name}")


def _keystore(invited: InvitationCode, account: str | None) -> Keystore:
    """The keystore of the invited account. Raises `AccountError`, naming what is missing."""
    from swarm_chain.accounts import Keystores, development_index

    keystores = Keystores()
    if account is not None:
        if development_index(account) is not None:
            raise AccountError(f"{account} has no keystore, and an agent signs with one; use `swarm-chain account new`")
        return keystores.find(account)
    wanted = checksum(invited.invitation.account)
    try:
        return keystores.find(wanted)
    except AccountError:
        raise AccountError(
            f"this invitation is for {wanted}, and no keystore in {keystores.folder} holds that account; "
            "join where its keystore is, or import it with `swarm-chain account import NAME`"
        ) from None


def _choice(
    invited: InvitationCode,
    keystore: Keystore,
    name: str,
    label: str,
    data: str | None,
    stores: tuple[str, ...],
    place: Place,
    sender: Sender,
) -> Choice:
    """Everything that was chosen, with what the invitation says where nothing was."""
    from swarm_chain import config
    from swarm_chain.adapters.stores import absolute_spec
    from swarm_chain.cli.nodes import nodes_folder
    from swarm_chain.membership.joining import Choice

    network = config.find_network(place.network) if place.network else None
    usual = network.confirmations if network else config.default_confirmations(invited.chain_id, invited.rpc_urls)
    return Choice(
        folder=nodes_folder() / _checked(name),
        keystore=keystore.path.absolute(),
        password_file=sender.password_file.absolute() if sender.password_file else None,
        label=label,
        data=data,
        stores=tuple(absolute_spec(spec) for spec in stores) or invited.stores,
        rpc_urls=place.rpc or (network.rpc_urls if network else invited.rpc_urls),
        confirmations=usual if sender.confirmations is None else sender.confirmations,
    )


def _checked(name: str) -> str:
    """The name, if a folder can have it."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise click.UsageError(f"{name!r} cannot be a node's name: use letters, digits, '.', '_' and '-'.")
    return name
