"""Why a call reverted, from what different endpoints say about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from swarm_chain.adapters.ethereum.abi import CoordinatorAbi
from swarm_chain.adapters.ethereum.endpoint import RpcError
from swarm_chain.errors import ChainError, TransactionFailed

_REASON = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")
_HEX = re.compile(r"0x((?:[0-9a-fA-F]{2})+)")


def revert_in(error: RpcError, abi: CoordinatorAbi) -> ChainError | None:
    """The revert that an endpoint's error tells of, as our exception; None where it tells of none."""
    for data in _candidates(error):
        found = explain(data, abi)
        if found is not None:
            return found
    if "revert" in error.text.lower():
        return TransactionFailed(f"the contract refused the call without a reason ({error.text}); check the address")
    return None


def explain(data: bytes, abi: CoordinatorAbi) -> ChainError | None:
    """Revert bytes as our exception: the contract's error of that name, or Solidity's own words."""
    if data[:4] in (_REASON, _PANIC):
        return TransactionFailed(f"the contract failed: {_words(data)}; report this with the transaction")
    return abi.decode_error(data)


def _words(data: bytes) -> str:
    kind = "bytes" if data[:4] == _REASON else "uint256"
    try:
        (value,) = decode([kind], data[4:])
    except (DecodingError, OverflowError):
        return "0x" + data.hex()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else f"panic {value:#x}"


def _candidates(error: RpcError) -> Iterator[bytes]:
    """Revert bytes as Geth and Anvil (a string), Ganache (an object) and others (in the message) give them."""
    data = error.data
    values = [data.get("result"), data.get("data"), data.get("output")] if isinstance(data, Mapping) else [data]
    for value in values:
        if isinstance(value, str):
            yield from (bytes.fromhex(found) for found in _HEX.findall(value))
    selector = re.search(r"custom error 0x([0-9a-f]{8}):? ?([0-9a-f]*)", error.text)
    if selector and len(selector[2]) % 2 == 0:
        yield bytes.fromhex(selector[1] + selector[2])
    yield from (bytes.fromhex(found) for found in _HEX.findall(error.text))
