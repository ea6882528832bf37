"""The four hospitals' files: in a folder, or downloaded from the UCI archive and checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.request import urlopen

from swarm_chain import config
from swarm_chain.errors import DataError

ARCHIVE: Final = "https://archive.ics.uci.edu/ml/machine-learning-databases/heart-disease"
CHECKSUMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "processed.cleveland.data": "a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8",
        "processed.hungarian.data": "d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796",
        "processed.switzerland.data": "834a405ccf5b66ab4056bb77794adc8df0b7125186454c0a1d002d33c6c3b314",
        "processed.va.data": "e7c93d8d0d2acdadfa4c5e8de768e2191e7f618b952e29623f1f0d5949ff6b8f",
    }
)
"""SHA-256 of the archive's files, in the order of the nodes that get them."""
LARGEST: Final = 1 << 20
"""Bytes of a file that are read at most."""
PATIENCE: Final = 20.0
"""Seconds that the archive gets to answer."""


def hospital_files(sources: Sequence[str]) -> tuple[Path, ...]:
    """Files, one a hospital: those given, or the archive's four in the one folder given. Raises `DataError`."""
    if len(sources) != 1:
        return tuple(Path(source).absolute() for source in sources)
    folder = Path(sources[0]).absolute()
    if not folder.is_dir():
        raise DataError(
            f"{folder} is no folder: give the one that holds {', '.join(CHECKSUMS)}, or a file for each node"
        )
    if missing := [name for name in CHECKSUMS if not (folder / name).is_file()]:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}: give the folder that holds them, or a file for each node"
        )
    return tuple(folder / name for name in CHECKSUMS)


def downloaded_files() -> tuple[Path, ...]:
    """The archive's four files, downloaded where they are not there yet. Raises `DataError`."""
    folder = config.home() / "data" / "heart-disease"
    return tuple(_downloaded(folder / name, checksum) for name, checksum in CHECKSUMS.items())


def _downloaded(path: Path, checksum: str) -> Path:
    if not path.is_file() or sha256(path.read_bytes()).hexdigest() != checksum:
        data = _download(f"{ARCHIVE}/{path.name}")
        if (found := sha256(data).hexdigest()) != checksum:
            raise DataError(f"{ARCHIVE}/{path.name} has SHA-256 {found}, not {checksum}: {_BY_HAND}")
        _write(path, data)
    return path


_BY_HAND: Final = "get the four files some other way, and give their folder with --data"


def _download(url: str) -> bytes:
    try:
        with urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310  always https
            data: bytes = answer.read(LARGEST)
    except (OSError, HTTPException, ValueError) as error:
        raise DataError(f"{url} cannot be downloaded ({error}): {_BY_HAND}") from error
    return data


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing, also where two do it at once."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}): {_BY_HAND}") from error
