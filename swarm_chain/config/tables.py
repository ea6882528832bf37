"""Settings files (TOML) read strictly: every key is taken once with what it must be, and what is left is refused."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from swarm_chain.errors import ConfigurationError


class _Required:
    """Stands for 'there is no default'."""


REQUIRED: Final = _Required()


class Table:
    """One table of a settings file. Errors name the file, the key, what was expected and what was found."""

    def __init__(self, values: Mapping[str, Any], *, file: Path, name: str = "") -> None:
        self._values = dict(values)
        self._file = file
        self._name = name

    @classmethod
    def read(cls, file: Path) -> Table:
        """The file's top table. Raises `ConfigurationError` if it cannot be read or is not TOML."""
        try:
            return cls(tomllib.loads(file.read_text(encoding="utf-8")), file=file)
        except FileNotFoundError:
            raise ConfigurationError(f"{file} does not exist") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file} cannot be read: {error}") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{file} is not TOML: {error}") from error

    def text(self, key: str, default: str | _Required = REQUIRED) -> str:
        """A non-empty string."""
        value = self._take(key, default)
        if not isinstance(value, str) or (not value and value != default):
            raise self.wrong(key, "a text in quotes", value)
        return value

    def optional_text(self, key: str) -> str | None:
        """A non-empty string, or None where the key is missing or empty."""
        return self.text(key, "") or None

    def integer(self, key: str, *, least: int, most: int, default: int | _Required = REQUIRED) -> int:
        """A whole number from `least` to `most`."""
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.wrong(key, f"a whole number from {least} to {most}", value)
        return value

    def integer_or(self, key: str, word: str, *, least: int, most: int) -> int | None:
        """A whole number from `least` to `most`; None where a word, or nothing, stands there instead."""
        value = self._take(key, word)
        if value == word:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.wrong(key, f'"{word}" or a whole number from {least} to {most}', value)
        return value

    def flag(self, key: str, default: bool | _Required = REQUIRED) -> bool:
        """Whether it is true."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false", value)
        return value

    def texts(self, key: str, *, least: int = 0) -> tuple[str, ...]:
        """A list of non-empty strings, at least `least` of them; a missing key is an empty list."""
        value = self._take(key, [])
        if (
            not isinstance(value, list)
            or len(value) < least
            or not all(isinstance(item, str) and item for item in value)
        ):
            raise self.wrong(key, f"a list of at least {least} texts" if least else "a list of texts", value)
        return tuple(value)

    def table(self, key: str) -> Table:
        """The table of that name; an empty one where it is missing."""
        value = self._take(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, f"a table [{key}]", value)
        return Table(value, file=self._file, name=self._path(key))

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Every entry that is left, by name; each must be a table."""
        for key in sorted(self._values):
            yield key, self.table(key)

    def finish(self) -> None:
        """Refuses the keys that nobody took."""
        if self._values:
            unknown = ", ".join(self._path(key) for key in sorted(self._values))
            raise ConfigurationError(f"{self._file}: unknown key {unknown}; remove it, or look for a spelling mistake")

    def wrong(self, key: str, expected: str, value: object) -> ConfigurationError:
        """The error for a value that is not what was expected."""
        return ConfigurationError(f"{self._file}: {self._path(key)} must be {expected}, not {value!r}")

    def _take(self, key: str, default: object) -> Any:
        if key not in self._values and isinstance(default, _Required):
            raise ConfigurationError(f"{self._file}: {self._path(key)} is missing; add it")
        return self._values.pop(key, default)

    def _path(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key
