"""An agreed model as a file that people take along, with its card beside it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swarm_chain.core.files import sync_folder
from swarm_chain.errors import ConfigurationError, WouldOverwrite
from swarm_chain.models.card import card_path, model_card
from swarm_chain.models.line import Elsewhere, line_of
from swarm_chain.models.reading import Agreed, SwarmReading
from swarm_chain.models.weights import Fetched, fetch_model


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What was written, and what it is."""

    agreed: Agreed
    file: Path
    card: Path
    fetched: Fetched


def export_model(
    reading: SwarmReading,
    number: int | None,
    file: Path,
    *,
    replace: bool = False,
    elsewhere: Elsewhere = lambda chain_id, contract: None,
) -> Exported:
    """The model of a round, the head's unless told, at `file`, and its card beside it; or neither.

    Where `file` is there, so is its card: it comes last. Raises `WouldOverwrite` where one of them is there and shall
    not be replaced, `ConfigurationError` where they cannot be written, and what `agreed`, `line_of` and
    `fetch_model` do.
    """
    card = card_path(file)
    if replace:
        _require_no_folder(file, card)
    else:
        _require_free(file, card)
    agreed = reading.agreed(number)
    with _temporary(file) as weights, _temporary(card) as text:
        fetched = fetch_model(reading.store, agreed.document, agreed.task, weights)
        line = list(line_of(reading, elsewhere, start=agreed.digest))
        write_text(text, model_card(reading, agreed, line, weights=weights, name=file.name, fetched=fetched))
        _place(text, card, replace=replace)
        try:
            _place(weights, file, replace=replace)
        except (WouldOverwrite, OSError):
            if not replace:
                card.unlink(missing_ok=True)
            raise
        sync_folder(file.absolute().parent)
    return Exported(agreed=agreed, file=file, card=card, fetched=fetched)


def write_text(path: Path, text: str) -> None:
    """Writes a new file, on disk when this returns."""
    with path.open("x", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _require_free(*paths: Path) -> None:
    for path in paths:
        if os.path.lexists(path):
            raise _would_overwrite(path)


def _require_no_folder(*paths: Path) -> None:
    for path in paths:
        if path.is_dir():
            raise ConfigurationError(f"{path} is a folder: give the name of a file in it, or another")


def _would_overwrite(path: Path) -> WouldOverwrite:
    return WouldOverwrite(f"{path} is there already; choose another file, or replace it with --force")


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """The path of a new file beside another, gone at the end. Raises `ConfigurationError` for an `OSError`."""
    made = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        yield made
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; choose another place") from error
    finally:
        made.unlink(missing_ok=True)


def _place(made: Path, path: Path, *, replace: bool) -> None:
    """Gives a file its name; one that came there meanwhile is replaced only if it may be."""
    if replace:
        made.replace(path)
        return
    try:
        # A link, unlike a rename, never takes a name that is taken.
        os.link(made, path)
    except FileExistsError:
        raise _would_overwrite(path) from None
    except OSError:
        # Some file systems have no links.
        _require_free(path)
        made.replace(path)
