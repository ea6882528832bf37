"""Invitation codes as the contract judges them: what passes here passes there, and what is refused here would be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from swarm_chain.accounts import Signer, development_signer
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.core.invitation_codes import InvitationCode, check_invitation, decode_invitation, encode_invitation
from swarm_chain.deployment import deploy, swarm_config
from swarm_chain.deployment.deployer import Deployer
from swarm_chain.deployment.deployments import Deployment, Deployments
from swarm_chain.devnet import Devnet
from swarm_chain.errors import (
    AlreadyRegistered,
    InvalidInvitationSignature,
    InvitationExpired,
    InvitationExpiredOffline,
    InvitationForged,
    InvitationForSomeoneElse,
    InvitationInvalid,
    InvitationNotForCaller,
    InvitationNotFromRegistrar,
    SwarmChainError,
)
from swarm_chain.types import Address, Digest, Invitation, NodeStatus, RegisterWithInvitation, Timestamp

ADMIN, NODE, OTHER = (development_signer(f"dev{index}", chain_id=31337) for index in (4, 5, 6))


@pytest.fixture
def swarm(devnet: Devnet, tmp_path: Path) -> Deployment:
    config = swarm_config(task_digest=Digest(b"\x01" * 32), genesis_digest=Digest(b"\x02" * 32), admin=ADMIN.address)
    deployer = Deployer.of([devnet.rpc_url], ADMIN)
    return deploy(config, deployer=deployer, deployments=Deployments(tmp_path / "deployments.json")).deployment


def chain_for(devnet: Devnet, swarm: Deployment, signer: Signer) -> Web3Chain:
    return Web3Chain.connect(devnet.rpc_url, swarm.contract or Address(b""), signer=signer)


def code_for(devnet: Devnet, swarm: Deployment, *, expiry: int, registrar: Signer = ADMIN) -> InvitationCode:
    assert swarm.contract is not None
    assert swarm.block is not None
    invitation = Invitation(account=NODE.address, registrar=registrar.address, expiry=Timestamp(expiry))
    signature = registrar.sign_invitation(invitation, chain_id=devnet.chain_id, contract=swarm.contract)
    made = InvitationCode(
        chain_id=devnet.chain_id,
        rpc_urls=(devnet.rpc_url,),
        contract=swarm.contract,
        deployment_block=swarm.block,
        stores=(),
        invitation=invitation,
        signature=signature,
    )
    return decode_invitation(encode_invitation(made))


def join(chain: Web3Chain, code: InvitationCode) -> None:
    chain.send(RegisterWithInvitation(invitation=code.invitation, signature=code.signature, label="ward 7"))


def test_join__with_a_code__registers_the_account_once(devnet: Devnet, swarm: Deployment) -> None:
    chain = chain_for(devnet, swarm, NODE)
    now = chain.look().now
    code = code_for(devnet, swarm, expiry=now + 1000)
    check_invitation(code, account=NODE.address, now=now)
    join(chain, code)
    assert chain.node_info(NODE.address).status is NodeStatus.ACTIVE
    with pytest.raises(AlreadyRegistered):
        join(chain, code)


@pytest.mark.parametrize(
    ("change", "sender", "offline", "on_chain"),
    [
        ("none", OTHER, InvitationForSomeoneElse, InvitationNotForCaller),
        ("expired", NODE, InvitationExpiredOffline, InvitationExpired),
        ("other signature", NODE, InvitationForged, InvalidInvitationSignature),
        ("longer expiry", NODE, InvitationForged, InvalidInvitationSignature),
        ("another swarm's", NODE, InvitationForged, InvalidInvitationSignature),
        ("no registrar", NODE, None, InvitationNotFromRegistrar),
    ],
)
def test_join__with_a_bad_code__is_refused_offline_and_by_the_contract(
    devnet: Devnet,
    swarm: Deployment,
    change: str,
    sender: Signer,
    offline: type[InvitationInvalid] | None,
    on_chain: type[SwarmChainError],
) -> None:
    chain = chain_for(devnet, swarm, sender)
    now = chain.look().now
    code = changed(change, devnet, swarm, now)
    if offline is not None:
        with pytest.raises(offline):
            check_invitation(code, account=sender.address, now=now)
    with pytest.raises(on_chain):
        join(chain, code)


def changed(change: str, devnet: Devnet, swarm: Deployment, now: int) -> InvitationCode:
    good = code_for(devnet, swarm, expiry=now + 1000)
    if change == "expired":
        return code_for(devnet, swarm, expiry=now - 1)
    if change == "other signature":
        return replace(good, signature=bytes([good.signature[0] ^ 1]) + good.signature[1:])
    if change == "longer expiry":
        return replace(good, invitation=replace(good.invitation, expiry=Timestamp(now + 2000)))
    if change == "another swarm's":
        foreign = code_for(devnet, replace(swarm, contract=Address(b"\xcc" * 20)), expiry=now + 1000)
        return replace(good, signature=foreign.signature)
    if change == "no registrar":
        return code_for(devnet, swarm, expiry=now + 1000, registrar=OTHER)
    return good
