"""The deployments file, and the loading of migrations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from swarm_chain.deployment import MigrationStatus, load_migrations, migration_states, swarm_config
from swarm_chain.deployment.deployments import AppliedMigration, Deployment, Deployments, PendingTransaction
from swarm_chain.errors import DeploymentError
from swarm_chain.types import Address, BlockNumber, Digest, Gas

DEPLOYED = Deployment(
    name="ward",
    chain_id=31337,
    chain_start=b"\x05" * 32,
    config=swarm_config(
        task_digest=Digest(b"\x01" * 32), genesis_digest=Digest(b"\x02" * 32), admin=Address(b"\x03" * 20)
    ),
    deployer=Address(b"\x03" * 20),
    artifact=b"\x06" * 32,
    contract=Address(b"\xc0" * 20),
    block=BlockNumber(7),
    transaction=b"\x07" * 32,
    migrations=(AppliedMigration(name="m0001_deploy_coordinator", transactions=(b"\x07" * 32,), gas_used=Gas(5)),),
)
STARTED = replace(
    DEPLOYED,
    artifact=None,
    contract=None,
    block=None,
    transaction=None,
    migrations=(),
    pending=PendingTransaction(migration="m0001_x", step="deploy", nonce=3, signed=(b"\x02\xf8", b"\x02\xf9")),
)


@pytest.fixture
def deployments(tmp_path: Path) -> Deployments:
    return Deployments(tmp_path / "folder" / "deployments.json")


@pytest.mark.parametrize("deployment", [DEPLOYED, STARTED])
def test_save__found_again__is_the_same(deployments: Deployments, deployment: Deployment) -> None:
    deployments.save(deployment)
    assert deployments.find(31337, "ward") == deployment
    assert Deployments(deployments.path).all() == (deployment,)
    assert list(deployments.path.parent.iterdir()) == [deployments.path]


def test_save__several_swarms_and_chains__are_kept_apart(deployments: Deployments) -> None:
    others = [replace(DEPLOYED, name="b"), replace(DEPLOYED, name="a"), replace(DEPLOYED, chain_id=1)]
    for each in others:
        deployments.save(each)
    assert [each.name for each in deployments.on_chain(31337)] == ["a", "b"]
    assert [(each.chain_id, each.name) for each in deployments.all()] == [(1, "ward"), (31337, "a"), (31337, "b")]


def test_save__same_content__is_the_same_text(deployments: Deployments) -> None:
    deployments.save(DEPLOYED)
    first = deployments.path.read_bytes()
    deployments.save(DEPLOYED)
    assert deployments.path.read_bytes() == first


def test_choose__the_only_one__needs_no_name(deployments: Deployments) -> None:
    deployments.save(DEPLOYED)
    deployments.save(replace(STARTED, name="half-done"))
    assert deployments.choose(31337) == deployments.choose(31337, "ward") == DEPLOYED


def test_choose__several__names_them(deployments: Deployments) -> None:
    deployments.save(DEPLOYED)
    deployments.save(replace(DEPLOYED, name="clinic"))
    with pytest.raises(DeploymentError, match="clinic, ward"):
        deployments.choose(31337)


def test_choose__none__says_how_to_get_one(deployments: Deployments) -> None:
    with pytest.raises(DeploymentError, match="swarm-chain deploy"):
        deployments.choose(31337)


def test_choose__unknown_name__names_those_there_are(deployments: Deployments) -> None:
    deployments.save(DEPLOYED)
    with pytest.raises(DeploymentError, match=r"no deployment clinic.*ward"):
        deployments.choose(31337, "clinic")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda file: file.update(format=2), "format 2"),
        (lambda file: file.pop("chains"), "chains"),
        (lambda file: file["chains"]["31337"]["ward"].update(colour="red"), "unknown key colour"),
        (lambda file: file["chains"]["31337"]["ward"].update(contract="0xc0"), "not 20 bytes"),
        (lambda file: file["chains"]["31337"]["ward"].pop("config"), "config"),
        (lambda file: file["chains"].update(mainnet={}), "mainnet"),
    ],
)
def test_read__not_a_deployments_file__names_the_problem(deployments: Deployments, change, named: str) -> None:  # type: ignore[no-untyped-def]
    deployments.save(DEPLOYED)
    content = json.loads(deployments.path.read_text())
    change(content)
    deployments.path.write_text(json.dumps(content))
    with pytest.raises(DeploymentError, match=named) as caught:
        deployments.all()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "null", "{"])
def test_read__damaged__raises_deployment_error(deployments: Deployments, text: str) -> None:
    deployments.path.parent.mkdir()
    deployments.path.write_text(text)
    with pytest.raises(DeploymentError, match="restore it"):
        deployments.find(31337, "ward")


# ---------------------------------------------------------------------------------------------------------- migrations


def write(folder: Path, name: str, text: str = "description = ''\nis_due = run = print\n") -> None:
    (folder / name).write_text(text)


def test_load_migrations__that_ship__are_in_order_and_described() -> None:
    migrations = load_migrations()
    names = [each.__name__ for each in migrations]
    assert names[0] == "m0001_deploy_coordinator"
    assert names == sorted(names)
    assert all(each.description for each in migrations)


def test_load_migrations__same_number_twice__raises_deployment_error(tmp_path: Path) -> None:
    write(tmp_path, "m0001_a.py")
    write(tmp_path, "m0001_b.py")
    with pytest.raises(DeploymentError, match="same number"):
        load_migrations(tmp_path)


def test_load_migrations__other_name__raises_deployment_error(tmp_path: Path) -> None:
    write(tmp_path, "mine.py")
    with pytest.raises(DeploymentError, match="rename it"):
        load_migrations(tmp_path)


@pytest.mark.parametrize(
    ("text", "named"), [("description = 'x'", "no is_due and no run"), ("1/0", "division by zero")]
)
def test_load_migrations__incomplete_or_broken__says_what(tmp_path: Path, text: str, named: str) -> None:
    write(tmp_path, "m0001_a.py", text)
    with pytest.raises(DeploymentError, match=named):
        load_migrations(tmp_path)


def test_migration_states__half_done__says_which(tmp_path: Path) -> None:
    states = {migration.__name__: (status, record) for migration, status, record in migration_states(DEPLOYED)}
    assert states["m0001_deploy_coordinator"] == (MigrationStatus.APPLIED, DEPLOYED.migrations[0])
    assert states["m0002_name_registrars"] == (MigrationStatus.PENDING, None)
    assert {status for _, status, _ in migration_states(None)} == {MigrationStatus.PENDING}
