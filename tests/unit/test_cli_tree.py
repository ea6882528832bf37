"""The tree of commands: found late, described once, ending as people and scripts expect."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from swarm_chain.cli.program import Program
from swarm_chain.cli.reference import render, walk
from swarm_chain.cli.tree import COMMANDS, cli
from swarm_chain.config import PACKAGE
from swarm_chain.errors import ConfigurationError
from swarm_chain.schemas import NAMES, load_schema
from swarm_chain.schemas.reference import render as render_json
from swarm_chain.schemas.reference import section

DOCS = PACKAGE.parent / "docs" / "reference"


def commands() -> Iterator[tuple[str, click.Command]]:
    for command, context in walk(cli, click.Context(cli, info_name="swarm-chain")):
        yield context.command_path, command


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


# ---------------------------------------------------------------------------------------------------------------- speed


def test_help__shows_every_command_without_importing_what_is_heavy() -> None:
    shown = python(
        "import sys\n"
        "from swarm_chain.cli.tree import cli\n"
        "try: cli.main(['--help'], prog_name='swarm-chain')\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'web3', 'numpy', 'sklearn', 'eth_account', 'rich', 'requests'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))\n"
    )
    assert shown.returncode == 0, shown.stderr
    assert "heavy: []" in shown.stdout
    assert all(f"  {name} " in shown.stdout for name in COMMANDS)


def test_help__takes_less_than_half_a_second() -> None:
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python("from swarm_chain.cli import main; import sys; sys.argv = ['swarm-chain', '--help']; main()")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Of a processor: other work on the machine is not what this is about.
        return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)

    assert min(seconds() for _ in range(3)) < 0.5


@pytest.mark.parametrize("name", COMMANDS)
def test_help__of_a_command__imports_nothing_heavy(name: str) -> None:
    shown = python(
        "import sys\n"
        "from swarm_chain.cli.tree import cli\n"
        f"try: cli.main([{name!r}, '--help'], prog_name='swarm-chain')\n"
        "except SystemExit as done: assert done.code == 0\n"
        "heavy = {'torch', 'web3', 'sklearn', 'eth_account'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))\n"
    )
    assert "heavy: []" in shown.stdout, shown.stderr


# ---------------------------------------------------------------------------------------------------------- description


@pytest.mark.parametrize("name", COMMANDS)
def test_commands__line_in_the_list__is_the_commands_own(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert (command.help or "").splitlines()[0] == COMMANDS[name][1]
    assert command.name == name


def test_commands__every_option_and_command__says_what_it_is_for() -> None:
    silent = [path for path, command in commands() if not command.help]
    for path, command in commands():
        options = [each for each in command.params if isinstance(each, click.Option)]
        silent += [f"{path} {each.opts[0]}" for each in options if not each.help]
    assert not silent


def test_commands__every_call_of_the_contract__has_one() -> None:
    from swarm_chain.types import Call

    source = "".join((PACKAGE / "cli" / f"{name}.py").read_text() for name in ("node", "round", "join", "calls"))
    source += (PACKAGE / "membership" / "joining.py").read_text()
    missing = [call.__name__ for call in Call.__subclasses__() if f"{call.__name__}(" not in source]
    assert not missing


def test_reference__commands__is_what_the_commands_say() -> None:
    written = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert written == render(cli, "swarm-chain"), (
        "run: python -m swarm_chain.cli.reference > docs/reference/commands.md"
    )


def test_reference__json__is_what_the_schemas_say() -> None:
    written = (DOCS / "json.md").read_text(encoding="utf-8")
    assert written == render_json(), "run: python -m swarm_chain.schemas.reference > docs/reference/json.md"


@pytest.mark.parametrize("name", NAMES)
def test_load_schema__every_one__is_a_schema_that_describes_its_keys(name: str) -> None:
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    assert "additionalProperties" in schema
    assert not [key for key in schema["properties"] if f"`{key}`" not in section(schema)]


def test_load_schema__unknown__raises_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="no schema for nothing"):
        load_schema("nothing")


# --------------------------------------------------------------------------------------------------------------- ending


@click.group(cls=Program)
def failing() -> None:
    """Ways to end."""


@failing.command()
def expected() -> None:
    """An expected error, with words from a stranger in it."""
    raise ConfigurationError("the label is\nred \x1b[31m; choose another")


@failing.command()
def bug() -> None:
    """A bug."""
    raise ZeroDivisionError("nobody thought of this")


@failing.command()
@click.argument("number", type=int)
def takes(number: int) -> None:
    """Takes a number."""


def test_main__expected_error__is_one_line_and_status_1() -> None:
    done = CliRunner().invoke(failing, ["expected"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "error: the label is red ?[31m; choose another\n"


def test_main__bug__stays_a_traceback() -> None:
    done = CliRunner().invoke(failing, ["bug"])
    assert isinstance(done.exception, ZeroDivisionError)


@pytest.mark.parametrize(
    "arguments", [["takes"], ["takes", "many"], ["takes", "1", "2"], ["takes", "--no"], ["nothing"]]
)
def test_main__wrong_usage__is_one_line_and_status_2(arguments: list[str]) -> None:
    done = CliRunner().invoke(failing, arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "--help" in done.stderr


def test_main__interrupted__says_nothing_and_status_130() -> None:
    code = (
        "import click, time\n"
        "from swarm_chain.cli.program import Program\n"
        "@click.group(cls=Program)\n"
        "def root(): pass\n"
        "@root.command()\n"
        "def slow():\n"
        "    print('ready', flush=True); time.sleep(30)\n"
        "root.main(['slow'])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.strip()) == (130, "")


def test_main__version__is_the_packages() -> None:
    from swarm_chain import __version__

    done = CliRunner().invoke(cli, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"swarm-chain, version {__version__}\n")


# ------------------------------------------------------------------------------------------------ commands on their own


DIGEST = "0x" + "11" * 32
CID = "bafyreiarceirceirceirceirceirceirceirceirceirceirceirceirce"


@pytest.mark.parametrize(("given", "printed"), [(DIGEST, CID), (DIGEST[2:], CID), (CID, DIGEST)])
def test_cid__digest_or_cid__prints_the_other(given: str, printed: str) -> None:
    done = CliRunner().invoke(cli, ["cid", given])
    assert done.stdout == printed + "\n"


@pytest.mark.parametrize("given", ["", "bafy", "0x1234", "f01711220zz"])
def test_cid__neither__is_one_line(given: str) -> None:
    done = CliRunner().invoke(cli, ["cid", given])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")


def test_migrations__no_deployment__lists_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["migrations"])
    assert done.exit_code == 0
    assert "m0001_deploy_coordinator" in done.stdout
    assert "has no deployment" in done.stderr
