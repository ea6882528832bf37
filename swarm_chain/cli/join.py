"""`swarm-chain join`: from an invitation code to a registered, configured node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.calls import Line
from swarm_chain.cli.options import Place, Sender, place_options, sender_options, store_option
from swarm_chain.cli.output import checksum, next_steps, say
from swarm_chain.cli.params import DIGEST, FILE_DIGEST
from swarm_chain.errors import AccountError, DataError
from swarm_chain.types import Digest

if TYPE_CHECKING:
    from swarm_chain.accounts import Keystore
    from swarm_chain.core.documents import TaskDocument
    from swarm_chain.core.invitation_codes import InvitationCode
    from swarm_chain.membership.joining import Choice
    from swarm_chain.membership.returning import EarlierNode
    from swarm_chain.tasks.base import Task


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
@click.option(
    "--accept-rule",
    "rule_digest",
    type=FILE_DIGEST,
    help="Merge by the swarm's rule, which is source code, if this is its digest: `swarm-chain task show` prints both.",
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
    rule_digest: Digest | None,
    data: str | None,
    stores: tuple[str, ...],
    place: Place,
    sender: Sender,
) -> None:
    """Join a swarm with an invitation code.

    Checks that the chain, the contract and the task are what they should be, registers the invited account, and writes
    the node's configuration: a file to read, and to edit. CODE names the chain, its RPC endpoints and the stores;
    --rpc, --network and --store replace these. What no store has is fetched from nodes whose agents run.

    A task may be source code that its swarm brings along, and so may its merge rule. Nothing of it runs before you
    accepted it: at the prompt, which shows it, or by --accept-task and --accept-rule.

    Where the swarm goes on with a model of an earlier one, in which this account has a node on this machine, that
    node's label, data, stores, endpoints and password file are taken unless others are given, and its name with a
    number. A task that was accepted for it, and is the same to the byte, is not asked about again.
    """
    from swarm_chain.accounts import open_keystore
    from swarm_chain.adapters.peer_stores import with_peers
    from swarm_chain.adapters.stores import open_stores
    from swarm_chain.cli.passwords import ask_password
    from swarm_chain.cli.task import asker, rule_asker
    from swarm_chain.core.invitation_codes import decode_invitation
    from swarm_chain.genesis import task_of
    from swarm_chain.membership import joining
    from swarm_chain.membership.acceptance import accept, read_offer
    from swarm_chain.membership.rule_acceptance import accept_rule

    invited = decode_invitation(code)
    keystore = _keystore(invited, sender.account)
    earlier = _earlier(invited, stores, place)
    choice = _choice(invited, keystore, earlier, name, label, data, stores, place, sender)
    is_configured = joining.check_folder(choice, invited)
    signer = open_keystore(keystore.path, ask_password(keystore.name, choice.password_file))
    chain = joining.connect_invited(invited, signer, choice.rpc_urls)
    store = with_peers(open_stores(choice.stores), chain, allow_private=choice.allow_private_addresses)
    document = joining.swarms_task(chain, store)
    digest = digest or _accepted_before(earlier, document)
    accepted = accept(read_offer(document, store), store, digest=digest, task=task, ask=asker())
    rule_digest = rule_digest or _accepted_rule_before(earlier, document)
    rule = accept_rule(document.merge, store, digest=rule_digest, ask=rule_asker())
    checked = _check_data(task_of(document, store.get, accepted=accepted), choice, None if data else earlier)
    receipt = joining.register(chain, invited, choice, is_configured=is_configured)
    joining.configure(invited, choice, document, checked, accepted=accepted, accepted_rule=rule)
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


def _earlier(invited: InvitationCode, stores: tuple[str, ...], place: Place) -> EarlierNode | None:
    """The account's node in the swarm that this one comes from. Says whose settings are taken."""
    from swarm_chain import config
    from swarm_chain.cli.nodes import node_configs
    from swarm_chain.membership.returning import earlier_node

    urls = config.find_network(place.network).rpc_urls if place.network else place.rpc
    found = earlier_node(invited, node_configs(), rpc_urls=urls, stores=stores)
    if found is not None:
        say(f"goes on from the swarm of node {found.name}, and is set up like it: data {found.config.data}")
    return found


def _accepted_rule_before(earlier: EarlierNode | None, document: TaskDocument) -> Digest | None:
    """The digest of the merge rule's source, where it is the one that was accepted for the earlier node."""
    known, source = earlier.config.accepted_rule if earlier else None, document.merge.source
    return known if source is not None and known == source.digest else None


def _accepted_before(earlier: EarlierNode | None, document: TaskDocument) -> Digest | None:
    """The task's digest, where it is the one that was accepted for the earlier node: nothing of it is new."""
    known = earlier.config.accepted_task if earlier else None
    return known if known == document.digest() else None


def _check_data(task: Task, choice: Choice, earlier: EarlierNode | None) -> str:
    """The node's data, if the task can train on it; what else to do where these are an earlier node's."""
    from swarm_chain.membership.joining import check_data

    try:
        return check_data(task, choice.data)
    except DataError as error:
        if earlier is None:
            raise
        raise DataError(f"the data of node {earlier.name} are not for this task ({error}); give --data") from error


def _choice(
    invited: InvitationCode,
    keystore: Keystore,
    earlier: EarlierNode | None,
    name: str | None,
    label: str | None,
    data: str | None,
    stores: tuple[str, ...],
    place: Place,
    sender: Sender,
) -> Choice:
    """Everything that was chosen; else what the account's earlier node says, or the invitation."""
    from swarm_chain import config
    from swarm_chain.adapters.stores import absolute_spec, with_own
    from swarm_chain.cli.nodes import nodes_folder
    from swarm_chain.membership.joining import Choice

    network = config.find_network(place.network) if place.network else None
    usual = _usual(invited, keystore, earlier)
    rpc_urls = place.rpc or (network.rpc_urls if network else usual.rpc_urls)
    confirmations = network.confirmations if network else usual.confirmations
    return Choice(
        folder=nodes_folder() / _checked(name or usual.folder.name),
        keystore=keystore.path.absolute(),
        password_file=sender.password_file.absolute() if sender.password_file else usual.password_file,
        label=usual.label if label is None else label,
        data=data or usual.data,
        stores=with_own(tuple(absolute_spec(spec) for spec in stores) or usual.stores),
        rpc_urls=rpc_urls,
        confirmations=confirmations if sender.confirmations is None else sender.confirmations,
        allow_private_addresses=network.allow_private_addresses if network else usual.allow_private_addresses,
    )


def _usual(invited: InvitationCode, keystore: Keystore, earlier: EarlierNode | None) -> Choice:
    """What nobody has to choose: the earlier node's settings, else what the invitation says."""
    from swarm_chain import config
    from swarm_chain.cli.nodes import node_configs, nodes_folder
    from swarm_chain.membership.joining import Choice
    from swarm_chain.membership.returning import choice_like

    if earlier is not None:
        return choice_like(earlier, invited, node_configs(), nodes_folder())
    return Choice(
        folder=nodes_folder() / keystore.name,
        keystore=keystore.path,
        password_file=None,
        label=keystore.name,
        data=None,
        stores=invited.stores,
        rpc_urls=invited.rpc_urls,
        confirmations=config.default_confirmations(invited.chain_id, invited.rpc_urls),
        allow_private_addresses=config.is_development(invited.chain_id, invited.rpc_urls),
    )


def _checked(name: str) -> str:
    """The name, if a folder can have it."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise click.UsageError(f"{name!r} cannot be a node's name: use letters, digits, '.', '_' and '-'.")
    return name
