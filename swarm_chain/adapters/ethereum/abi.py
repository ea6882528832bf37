"""The coordinator's ABI: calls to bytes, and answers, logs and reverts to our types."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cache
from typing import Any, TypeVar

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import (
    collapse_if_tuple,
    event_abi_to_log_topic,
    function_abi_to_4byte_selector,
)

from swarm_chain import types
from swarm_chain.artifacts import load_artifact
from swarm_chain.errors import REVERTS, InvalidAnswer, Reverted
from swarm_chain.types import Call, Event

Entry = Mapping[str, Any]
T = TypeVar("T")

_ENUMS = {each.__name__: each for each in (types.Phase, types.AbortReason, types.NodeStatus, types.SuspensionReason)}
_STRUCTS = {
    "Config": types.SwarmConfig,
    "SwarmInfo": types.SwarmInfo,
    "RoundInfo": types.RoundInfo,
    "NodeInfo": types.NodeInfo,
    "Invitation": types.Invitation,
}


def _kinds(base: type[T]) -> list[type[T]]:
    found = [each for each in vars(types).values() if isinstance(each, type)]
    return [each for each in found if issubclass(each, base) and each is not base]


def _field_names(kind: type[Call] | type[Event]) -> list[str]:
    return [field.name for field in fields(kind)]


# `__subclasses__` would also list what `slots=True` replaced.
EVENTS: Mapping[str, type[Event]] = {each.__name__: each for each in _kinds(Event)}
CALLS: Mapping[str, type[Call]] = {each.function: each for each in _kinds(Call)}
ROUND_EVENTS = frozenset(event for event in EVENTS.values() if "round" in _field_names(event))
"""Those that belong to a round, which is their second topic."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a log lies."""

    block_number: types.BlockNumber
    log_index: int
    transaction: bytes


class CoordinatorAbi:
    """Encodes and decodes by the contract's ABI."""

    def __init__(self, abi: Sequence[Entry]) -> None:
        self._functions = {entry["name"]: entry for entry in abi if entry["type"] == "function"}
        self._names = {_selector(entry): name for name, entry in self._functions.items()}
        events = [entry for entry in abi if entry["type"] == "event" and entry["name"] in EVENTS]
        self._events = {bytes(event_abi_to_log_topic(entry)): entry for entry in events}  # type: ignore[arg-type]
        errors = [entry for entry in abi if entry["type"] == "error" and entry["name"] in REVERTS]
        self._errors = {_selector(entry): entry for entry in errors}

    def topics(self, kinds: Collection[type[Event]]) -> list[bytes]:
        """First topics of events of these kinds."""
        return [topic for topic, entry in self._events.items() if EVENTS[entry["name"]] in kinds]

    def encode_call(self, call: Call) -> bytes:
        """A transaction's data."""
        return self.encode(call.function, *astuple(call))

    def encode(self, function: str, *arguments: object) -> bytes:
        """Data of a call to any function of the contract, views included."""
        entry = self._functions[function]
        return _selector(entry) + encode(_types(entry["inputs"]), arguments)

    def decode_call(self, data: bytes) -> Call | None:
        """The call that a transaction's data makes; None where it is none of `types.py`."""
        name = self._names.get(data[:4], "")
        call = CALLS.get(name)
        if call is None:
            return None
        try:
            inputs = self._functions[name]["inputs"]
            values = [_value(part, value) for part, value in zip(inputs, _decode(inputs, data[4:]), strict=True)]
        except InvalidAnswer:
            return None
        return call(**dict(zip(_field_names(call), values, strict=True)))

    def decode_result(self, function: str, data: bytes) -> Any:
        """What a view returned. Raises `InvalidAnswer`."""
        outputs = self._functions[function]["outputs"]
        values = [_value(output, value) for output, value in zip(outputs, _decode(outputs, data), strict=True)]
        return values[0] if len(values) == 1 else tuple(values)

    def decode_event(self, topics: Sequence[bytes], data: bytes, position: Position) -> Event | None:
        """A log as an event; None where it is not one of `types.py`. Raises `InvalidAnswer`."""
        entry = self._events.get(topics[0]) if topics else None
        if entry is None:
            return None
        indexed = [part for part in entry["inputs"] if part["indexed"]]
        others = [part for part in entry["inputs"] if not part["indexed"]]
        if len(topics) != 1 + len(indexed):
            raise InvalidAnswer(f"a log of {entry['name']} has {len(topics)} topics; ask another endpoint")
        values = _named(indexed, _decode(indexed, b"".join(topics[1:]))) | _named(others, _decode(others, data))
        return EVENTS[entry["name"]](
            block_number=position.block_number,
            log_index=position.log_index,
            transaction=position.transaction,
            **{_snake(name): value for name, value in values.items()},
        )

    def decode_error(self, data: bytes) -> Reverted | None:
        """A revert as the exception of the same name; None where it is not one of the contract's."""
        entry = self._errors.get(data[:4])
        if entry is None:
            return None
        try:
            arguments = _named(entry["inputs"], _decode(entry["inputs"], data[4:]))
        except InvalidAnswer:
            return None
        return REVERTS[entry["name"]](**arguments)


@cache
def coordinator_abi() -> CoordinatorAbi:
    """The ABI of the contract that ships."""
    return CoordinatorAbi(load_artifact().abi)


def _selector(entry: Entry) -> bytes:
    return bytes(function_abi_to_4byte_selector({**entry, "type": "function"}))  # type: ignore[arg-type]


def _types(parts: Sequence[Entry]) -> list[str]:
    return [collapse_if_tuple(dict(part)) for part in parts]


def _decode(parts: Sequence[Entry], data: bytes) -> Sequence[Any]:
    # A label is a stranger's text: as bytes it cannot fail to be UTF-8.
    as_bytes = [re.sub(r"\bstring\b", "bytes", each) for each in _types(parts)]
    try:
        return decode(as_bytes, data)
    except (DecodingError, OverflowError) as error:
        raise InvalidAnswer(f"an answer is not what the contract's ABI says ({error}); ask another endpoint") from error


def _named(parts: Sequence[Entry], values: Sequence[Any]) -> dict[str, Any]:
    return {part["name"]: _value(part, value) for part, value in zip(parts, values, strict=True)}


def _value(part: Entry, value: Any) -> Any:
    kind, name = part["type"], part.get("internalType", "").rsplit(".", 1)[-1]
    if kind == "tuple":
        inner = _named(part["components"], value)
        return _STRUCTS[name](**{_snake(key): each for key, each in inner.items()})
    if kind == "address":
        return types.Address(bytes.fromhex(value[2:]))
    if kind == "string":
        return value.decode("utf-8", "replace")
    if name in _ENUMS:
        return _enum(name, value)
    return value


def _enum(name: str, value: int) -> Any:
    try:
        return _ENUMS[name](value)
    except ValueError:
        raise InvalidAnswer(f"{value} is not a {name}; ask another endpoint") from None


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda found: "_" + found[1].lower(), name)
