"""Where the password of a keystore comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from swarm_chain import config
from swarm_chain.errors import AccountError


def read_password(*, file: Path | None = None, prompt: Callable[[], str] | None = None) -> str:
    """The password: from `file` if given, else from `$SWARM_CHAIN_PASSWORD`, else from `prompt`.

    Raises `AccountError` if there is none, or an empty one.
    """
    if file is not None:
        password = _password_in(file)
    elif (found := config.password_from_environment()) is not None:
        password = found
    elif prompt is not None:
        password = prompt()
    else:
        raise AccountError("a password is needed: give --password-file FILE or set SWARM_CHAIN_PASSWORD")
    if not password:
        raise AccountError("the password is empty; choose one")
    return password


def _password_in(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise AccountError(f"password file {file} cannot be read: {getattr(error, 'strerror', 'not UTF-8')}") from None
