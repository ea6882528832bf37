"""Migrations on real chains: run, run again, broken off at any point, and taken up again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from swarm_chain.accounts import Signer, development_signer
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.artifacts import load_artifact
from swarm_chain.deployment import deploy, swarm_config
from swarm_chain.deployment.deployer import Deployer
from swarm_chain.deployment.deployments import Deployment, Deployments
from swarm_chain.deployment.registrars import is_registrar, set_registrar
from swarm_chain.devnet import Devnet
from swarm_chain.errors import (
    DeploymentError,
    InsufficientFunds,
    MinUpdatesTooSmall,
    QuorumOutOfRange,
    WindowsOutOfOrder,
    WrongChain,
    ZeroTaskDigest,
)
from swarm_chain.types import Address, Digest, SwarmConfig

ADMIN, REGISTRAR, OTHER = (development_signer(f"dev{index}", chain_id=31337) for index in (0, 1, 2))


class KilledError(BaseException):
    """Stands for the end of the process at this instruction."""


@pytest.fixture
def deployments(tmp_path: Path) -> Deployments:
    return Deployments(tmp_path / "deployments.json")


@pytest.fixture
def deployer(devnet: Devnet) -> Deployer:
    return Deployer.of([devnet.rpc_url], ADMIN)


def config(**changes: object) -> SwarmConfig:
    made = swarm_config(task_digest=Digest(b"\x01" * 32), genesis_digest=Digest(b"\x02" * 32), admin=ADMIN.address)
    return replace(made, **changes)  # type: ignore[arg-type]


def nonce(devnet: Devnet, account: Signer = ADMIN) -> int:
    return int(devnet.rpc("eth_getTransactionCount", account.checksum_address, "latest"), 16)


def chain_of(devnet: Devnet, deployment: Deployment) -> Web3Chain:
    assert deployment.contract is not None
    return Web3Chain.connect(devnet.rpc_url, deployment.contract)


def test_deploy__fresh_chain__has_the_coordinator_as_configured(
    devnet: Devnet, deployer: Deployer, deployments: Deployments
) -> None:
    wanted = config(is_sealed=False, min_updates=3, absence_limit=7)
    report = deploy(wanted, deployer=deployer, deployments=deployments)
    chain = chain_of(devnet, report.deployment)
    assert chain.swarm_info().config == wanted
    assert load_artifact().matches(chain.code())
    assert chain.deployed_at() == report.deployment.block
    assert [step.migration for step in report.steps] == ["m0001_deploy_coordinator"]
    assert deployments.find(31337, "default") == report.deployment
    assert {each.name for each in report.deployment.migrations} == {"m0001_deploy_coordinator", "m0002_name_registrars"}


def test_deploy__again__sends_nothing(devnet: Devnet, deployer: Deployer, deployments: Deployments) -> None:
    first = deploy(config(), deployer=deployer, deployments=deployments)
    before, text = nonce(devnet), deployments.path.read_text()
    second = deploy(config(), deployer=deployer, deployments=deployments)
    assert second.steps == ()
    assert second.deployment == first.deployment
    assert (nonce(devnet), deployments.path.read_text()) == (before, text)


def test_deploy__dry_run__estimates_and_changes_nothing(
    devnet: Devnet, deployer: Deployer, deployments: Deployments
) -> None:
    before = nonce(devnet)
    looker = Deployer([devnet.rpc_url], sender=ADMIN.address)
    planned = deploy(config(), deployer=looker, deployments=deployments, registrars=[REGISTRAR.address], dry_run=True)
    assert (nonce(devnet), deployments.path.exists()) == (before, False)
    done = deploy(config(), deployer=deployer, deployments=deployments, registrars=[REGISTRAR.address])
    assert [step.what for step in planned.steps] == [step.what for step in done.steps]
    assert planned.steps[0].gas == done.steps[0].gas
    assert all(step.transaction is None for step in planned.steps)


def test_deploy__without_a_key__says_so_before_anything_is_written(devnet: Devnet, deployments: Deployments) -> None:
    looker = Deployer([devnet.rpc_url], sender=ADMIN.address)
    with pytest.raises(DeploymentError, match="dry-run"):
        deploy(config(), deployer=looker, deployments=deployments)
    assert not deployments.path.exists()


def test_deploy__two_names__are_two_swarms(devnet: Devnet, deployer: Deployer, deployments: Deployments) -> None:
    contracts = {
        deploy(config(), deployer=deployer, deployments=deployments, name=name).deployment.contract
        for name in ("one", "two")
    }
    assert len(contracts) == 2


def test_deploy__same_name_other_configuration__shows_the_difference(
    deployer: Deployer, deployments: Deployments
) -> None:
    deploy(config(), deployer=deployer, deployments=deployments)
    with pytest.raises(DeploymentError, match="min_updates is 2, not 3"):
        deploy(config(min_updates=3), deployer=deployer, deployments=deployments)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"task_digest": Digest(bytes(32))}, ZeroTaskDigest),
        ({"quorum_bps": 5000}, QuorumOutOfRange),
        ({"min_updates": 1}, MinUpdatesTooSmall),
        ({"min_window": 601}, WindowsOutOfOrder),
    ],
)
def test_deploy__nonsense__raises_the_constructors_error_and_sends_nothing(
    devnet: Devnet, deployer: Deployer, deployments: Deployments, changes: dict[str, object], error: type[Exception]
) -> None:
    before = nonce(devnet)
    with pytest.raises(error):
        deploy(config(**changes), deployer=deployer, deployments=deployments)
    assert (nonce(devnet), deployments.path.exists()) == (before, False)


def test_deploy__no_funds__says_so_and_can_be_run_again(devnet: Devnet, deployments: Deployments) -> None:
    poor = Signer(b"\x77" * 32)
    with pytest.raises(InsufficientFunds):
        deploy(config(admin=poor.address), deployer=Deployer.of([devnet.rpc_url], poor), deployments=deployments)
    method = {"anvil": "anvil_setBalance", "ganache": "evm_setAccountBalance"}[devnet.client]
    devnet.rpc(method, poor.checksum_address, hex(10**18))
    done = deploy(config(admin=poor.address), deployer=Deployer.of([devnet.rpc_url], poor), deployments=deployments)
    assert done.deployment.contract is not None


def test_deployer__another_chain__raises_wrong_chain(devnet: Devnet) -> None:
    with pytest.raises(WrongChain):
        _ = Deployer.of([devnet.rpc_url], ADMIN, chain_id=5).chain_start()


# ---------------------------------------------------------------------------------------------------------- broken off


def test_deploy__killed_before_the_transaction_left__deploys_once(
    devnet: Devnet, deployer: Deployer, deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = nonce(devnet)
    with monkeypatch.context() as patch:
        patch.setattr("swarm_chain.adapters.ethereum.attempts.Attempt.broadcast", _killed)
        with pytest.raises(KilledError):
            deploy(config(), deployer=deployer, deployments=deployments)
    assert nonce(devnet) == before
    done = deploy(config(), deployer=deployer, deployments=deployments)
    assert nonce(devnet) == before + 1
    assert chain_of(devnet, done.deployment).swarm_info().config == config()


def test_deploy__killed_after_the_transaction_left__finds_it(
    devnet: Devnet, deployer: Deployer, deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = nonce(devnet)
    with monkeypatch.context() as patch:
        patch.setattr("swarm_chain.adapters.ethereum.attempts.Attempt.receipt", _killed)
        with pytest.raises(KilledError):
            deploy(config(), deployer=deployer, deployments=deployments)
    assert nonce(devnet) == before + 1
    pending = deployments.find(31337, "default")
    assert pending is not None
    assert pending.contract is None
    done = deploy(config(), deployer=deployer, deployments=deployments)
    assert nonce(devnet) == before + 1
    assert chain_of(devnet, done.deployment).swarm_info().config == config()
    assert done.deployment.pending is None


def test_deploy__killed_before_the_migration_was_recorded__records_it(
    devnet: Devnet, deployer: Deployer, deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("swarm_chain.deployment.Context._record", _killed)
        with pytest.raises(KilledError):
            deploy(config(), deployer=deployer, deployments=deployments)
    before = nonce(devnet)
    done = deploy(config(), deployer=deployer, deployments=deployments)
    assert nonce(devnet) == before
    assert [each.name for each in done.deployment.migrations] == ["m0001_deploy_coordinator", "m0002_name_registrars"]


def test_deploy__nonce_taken_meanwhile__deploys_with_the_next(
    devnet: Devnet, deployer: Deployer, deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("swarm_chain.adapters.ethereum.attempts.Attempt.broadcast", _killed)
        with pytest.raises(KilledError):
            deploy(config(), deployer=deployer, deployments=deployments)
    other = Deployments(deployments.path.with_name("other.json"))
    deploy(config(absence_limit=9), deployer=deployer, deployments=other)
    before = nonce(devnet)
    done = deploy(config(), deployer=deployer, deployments=deployments)
    assert nonce(devnet) == before + 1
    assert chain_of(devnet, done.deployment).swarm_info().config == config()


def test_deploy__other_options_while_one_is_under_way__raises_deployment_error(
    deployer: Deployer, deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("swarm_chain.adapters.ethereum.attempts.Attempt.receipt", _killed)
        with pytest.raises(KilledError):
            deploy(config(), deployer=deployer, deployments=deployments)
    with pytest.raises(DeploymentError, match="on its way"):
        deploy(config(absence_limit=9), deployer=deployer, deployments=deployments)


def test_deploy__development_chain_started_anew__deploys_again(deployments: Deployments, tmp_path: Path) -> None:
    for _ in range(2):
        said: list[str] = []
        with Devnet.start(port=0, log=tmp_path / "anvil.log") as chain:
            deployer = Deployer.of([chain.rpc_url], ADMIN)
            done = deploy(config(), deployer=deployer, deployments=deployments, on_progress=said.append)
            assert chain_of(chain, done.deployment).swarm_info().config == config()
    assert any("started anew" in line for line in said)


def _killed(*_: object, **__: object) -> None:
    raise KilledError


# ---------------------------------------------------------------------------------------------------------- registrars


def test_deploy__with_registrars__names_each_once(devnet: Devnet, deployer: Deployer, deployments: Deployments) -> None:
    names = [REGISTRAR.address, ADMIN.address, REGISTRAR.address]
    report = deploy(config(), deployer=deployer, deployments=deployments, registrars=names)
    assert len(report.steps) == 2
    contract = report.deployment.contract
    assert contract is not None
    assert is_registrar(deployer, contract, REGISTRAR.address)
    assert is_registrar(deployer, contract, ADMIN.address)
    assert not is_registrar(deployer, contract, OTHER.address)


def test_deploy__another_registrar_later__names_only_that_one(deployer: Deployer, deployments: Deployments) -> None:
    deploy(config(), deployer=deployer, deployments=deployments, registrars=[REGISTRAR.address])
    wanted = [REGISTRAR.address, OTHER.address]
    report = deploy(config(), deployer=deployer, deployments=deployments, registrars=wanted)
    assert [step.what for step in report.steps] == [f"name registrar 0x{OTHER.address.hex()}"]


def test_deploy__killed_between_registrars__names_the_rest(
    devnet: Devnet, deployer: Deployer, deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(config(), deployer=deployer, deployments=deployments)
    before = nonce(devnet)
    with monkeypatch.context() as patch:
        patch.setattr("swarm_chain.adapters.ethereum.attempts.Attempt.receipt", _killed)
        with pytest.raises(KilledError):
            deploy(config(), deployer=deployer, deployments=deployments, registrars=[REGISTRAR.address])
    wanted = [REGISTRAR.address, OTHER.address]
    done = deploy(config(), deployer=deployer, deployments=deployments, registrars=wanted)
    assert nonce(devnet) == before + 2
    assert done.deployment.pending is None


def test_deploy__admin_is_another__refuses_registrars_before_anything(
    devnet: Devnet, deployer: Deployer, deployments: Deployments
) -> None:
    before = nonce(devnet)
    with pytest.raises(DeploymentError, match="only the admin"):
        deploy(
            config(admin=OTHER.address),
            deployer=deployer,
            deployments=deployments,
            registrars=[REGISTRAR.address],
        )
    assert nonce(devnet) == before


def test_set_registrar__on_and_off__is_what_the_contract_says(
    devnet: Devnet, deployer: Deployer, deployments: Deployments
) -> None:
    contract = deploy(config(), deployer=deployer, deployments=deployments).deployment.contract or Address(b"")
    assert set_registrar(deployer, contract, OTHER.address, may_invite=True)
    assert set_registrar(deployer, contract, OTHER.address, may_invite=True) is None
    assert is_registrar(deployer, contract, OTHER.address)
    assert set_registrar(deployer, contract, OTHER.address, may_invite=False)
    assert not is_registrar(deployer, contract, OTHER.address)


def test_set_registrar__not_the_admin__raises_deployment_error(
    devnet: Devnet, deployer: Deployer, deployments: Deployments
) -> None:
    contract = deploy(config(), deployer=deployer, deployments=deployments).deployment.contract or Address(b"")
    stranger = Deployer.of([devnet.rpc_url], OTHER)
    with pytest.raises(DeploymentError, match="not the swarm's admin"):
        set_registrar(stranger, contract, OTHER.address, may_invite=True)
