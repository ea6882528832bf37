"""`swarm-chain account`: encrypted keystores."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from swarm_chain.cli.options import password_file_option
from swarm_chain.cli.output import checksum, next_steps, say, show, table
from swarm_chain.cli.passwords import ask_new_password, ask_password
from swarm_chain.errors import AccountError


@click.group()
def account() -> None:
    """Make, import and list accounts.

    An account is an encrypted keystore that every Ethereum wallet reads. Its password comes from --password-file, else
    from SWARM_CHAIN_PASSWORD, else it is asked for.
    """


light_option = click.option(
    "--light",
    is_flag=True,
    help="Encrypt with little work: opens in milliseconds, and is guessed as fast. For trying things out.",
)


@account.command("new")
@click.argument("name")
@password_file_option
@light_option
def new(name: str, password_file: Path | None, light: bool) -> None:
    """Make a new account; prints its address."""
    from swarm_chain.accounts import Keystores

    keystores = Keystores()
    keystore = keystores.new(name, ask_new_password(name, password_file), work=_work(light))
    say(f"{keystore.path} holds its key, encrypted: keep a copy of it, and its password")
    click.echo(checksum(_known(keystore.address)))
    next_steps("swarm-chain join CODE --data SPEC        (with the code that a registrar makes for this address)")


@account.command("import")
@click.argument("name")
@click.option("--keystore", type=click.Path(path_type=Path, dir_okay=False), help="Another wallet's keystore (JSON).")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="A file with the private key in hexadecimal digits; - reads it from stdin.",
)
@password_file_option
@light_option
def import_(name: str, keystore: Path | None, key_file: Path | None, password_file: Path | None, light: bool) -> None:
    """Import a private key or another wallet's keystore; prints its address.

    Without --keystore or --key-file the private key is asked for, unseen. No option takes a key: others could read it
    in the list of processes. A keystore keeps its password.
    """
    from swarm_chain.accounts import Keystores

    if keystore and key_file:
        raise click.UsageError("give --keystore or --key-file, not both.")
    keystores = Keystores()
    if keystore:
        password = ask_password(keystore.name, password_file)
        made = keystores.import_keystore(name, _text(keystore), password, work=_work(light))
    else:
        key = _text(key_file) if key_file else _asked_key()
        made = keystores.import_key(name, key, ask_new_password(name, password_file), work=_work(light))
    say(f"{made.path} holds its key, encrypted")
    click.echo(checksum(_known(made.address)))


@account.command("list")
def list_() -> None:
    """List the accounts here, with their addresses."""
    from swarm_chain.accounts import Keystores

    keystores = Keystores()
    rows = [(one.name, checksum(one.address) if one.address else "unknown", one.path) for one in keystores.list()]
    if not rows:
        say(f"no accounts in {keystores.folder}; make one with `swarm-chain account new NAME`")
        return
    show(table("name", "address", "keystore", rows=rows))


def _work(light: bool) -> int:
    from swarm_chain.accounts import LIGHT_WORK, STANDARD_WORK

    return LIGHT_WORK if light else STANDARD_WORK


def _known(address: bytes | None) -> bytes:
    if address is None:
        raise AccountError("the keystore does not say its address; restore it from a copy")
    return address


def _text(path: Path) -> str:
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AccountError(f"{path} cannot be read: {getattr(error, 'strerror', 'not UTF-8')}") from None


def _asked_key() -> str:
    if not sys.stdin.isatty():
        raise AccountError("no key was given; use --key-file FILE, or --key-file - to read it from stdin")
    return str(click.prompt("Private key (64 hexadecimal digits)", hide_input=True, err=True))
