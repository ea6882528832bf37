"""What options and arguments take, read strictly."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import click

from swarm_chain.types import Address, Digest, Seconds

if TYPE_CHECKING:
    from swarm_chain.agent.policy import Condition

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST = 100 * 366 * 86_400
_PLACE = re.compile(r"https?://[^\s/]\S*|/(?:ip4|ip6|dns|dns4|dns6|dnsaddr)/\S+")
_CONDITION = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*([<>]=)\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*")


class AddressParam(click.ParamType[Address]):
    """An account: `0x` and 40 hexadecimal digits; upper and lower case, where mixed, must be the checksum's."""

    name = "ADDRESS"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """20 bytes."""
        if isinstance(value, bytes):
            return Address(value)
        text = str(value)
        if not re.fullmatch("0x[0-9a-fA-F]{40}", text):
            self.fail(f"{text!r} is not an address: 0x and 40 hexadecimal digits.", param, ctx)
        if not _has_good_checksum(text):
            self.fail(f"{text} has a letter wrong: its checksum does not fit; copy it again.", param, ctx)
        return Address(bytes.fromhex(text[2:]))


def _has_good_checksum(text: str) -> bool:
    from eth_utils.address import to_checksum_address

    digits = text[2:]
    return digits in (digits.lower(), digits.upper()) or to_checksum_address(text) == text


class BytesParam(click.ParamType[bytes]):
    """32 bytes: `0x` and 64 hexadecimal digits."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """The bytes."""
        if isinstance(value, bytes):
            return value
        if not re.fullmatch("(0x)?[0-9a-fA-F]{64}", str(value)):
            self.fail(f"{value!r} is not {self.name.lower()}: 0x and 64 hexadecimal digits.", param, ctx)
        return bytes.fromhex(str(value).removeprefix("0x"))


class DigestParam(click.ParamType[Digest]):
    """A document's digest, or its CID."""

    name = "DIGEST|CID"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Digest:
        """32 bytes."""
        from swarm_chain.core.cids import document_digest, parse_cid
        from swarm_chain.errors import InvalidCid

        if isinstance(value, bytes):
            return Digest(value)
        text = str(value)
        if re.fullmatch("(0x)?[0-9a-fA-F]{64}", text):
            return Digest(bytes.fromhex(text.removeprefix("0x")))
        if not text.startswith(("b", "f")):
            raise InvalidCid(f"{text[:80]!r} is no digest, 0x and 64 hexadecimal digits, and no CID; copy it again")
        return document_digest(parse_cid(text))


class FileDigestParam(DigestParam):
    """A file's digest, or its CID."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Digest:
        """32 bytes."""
        from swarm_chain.core.cids import parse_cid

        text = str(value)
        return parse_cid(text).digest if text.startswith("bafk") else super().convert(value, param, ctx)


class DurationParam(click.ParamType[Seconds]):
    """A span of time: `90`, `90s`, `15m`, `2h`, `7d`, `2w`."""

    name = "DURATION"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Seconds:
        """Seconds, at least one."""
        if isinstance(value, int):
            return Seconds(value)
        match = re.fullmatch(r"(\d{1,10})([smhdw]?)", str(value))
        seconds = int(match[1]) * _UNITS[match[2] or "s"] if match else 0
        if not 1 <= seconds <= _LONGEST:
            self.fail(f"{value!r} is not a span of time; write e.g. 90s, 15m, 2h or 7d.", param, ctx)
        return Seconds(seconds)


class EtherParam(click.ParamType[int]):
    """An amount of ether, such as `0.5`."""

    name = "ETHER"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Wei, more than none."""
        if isinstance(value, int):
            return value
        try:
            wei = Decimal(str(value)) * 10**18
        except InvalidOperation:
            wei = Decimal(0)
        if not wei.is_finite() or not 0 < wei < 2**128 or wei != int(wei):
            self.fail(f"{value!r} is not an amount of ether; write e.g. 0.5.", param, ctx)
        return int(wei)


class PriceParam(click.ParamType[Decimal]):
    """A price, such as `0.05`."""

    name = "PRICE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """The price, as exact as it was written."""
        price = Decimal(value) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", value := str(value)) else None
        if price is None:
            self.fail(f"{value!r} is not a price; write e.g. 20 or 0.05.", param, ctx)
        return price


class ConditionParam(click.ParamType["Condition"]):
    """What a metric has to come to: `accuracy>=0.95`, `loss<=0.3`."""

    name = "METRIC>=NUMBER"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Condition:
        """The condition, in the direction in which its metric gets better."""
        from swarm_chain.agent.policy import Condition
        from swarm_chain.core.metrics import is_lower_better

        if isinstance(value, Condition):
            return value
        match = _CONDITION.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is not a condition; write e.g. 'accuracy>=0.95', in quotes.", param, ctx)
        metric, sign, number = match.groups()
        if sign == ">=" and is_lower_better(metric):
            self.fail(f"{metric} is better when it is lower; write '{metric}<={number}'.", param, ctx)
        return Condition(metric=metric, bound=float(number), is_ceiling=sign == "<=")


class SettingParam(click.ParamType[tuple[str, str]]):
    """A name and a value: `epochs=5`."""

    name = "NAME=VALUE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Both as texts."""
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r} is not a setting; write e.g. epochs=5.", param, ctx)
        return name.strip(), text.strip()


class PlaceParam(click.ParamType[str]):
    """Where blocks are served: a gateway's URL, or a multiaddr. Never a path: it stands on the chain for ever."""

    name = "URL|MULTIADDR"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text."""
        if not _PLACE.fullmatch(str(value)):
            self.fail(f"{value!r} is no place to fetch blocks from; write e.g. https://HOST or /dns4/HOST.", param, ctx)
        return str(value)


class ServingParam(click.ParamType[str]):
    """Where a node is served: `auto`, `off`, or an address of this machine with a port."""

    name = "auto|HOST:PORT|off"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text."""
        from swarm_chain.config.serving import is_serving

        if not is_serving(str(value)):
            self.fail(f"{value!r} is no place to serve at; write auto, off, or e.g. 192.168.1.7:4801.", param, ctx)
        return str(value)


ADDRESS = AddressParam()
DIGEST = DigestParam()
FILE_DIGEST = FileDigestParam()
DURATION = DurationParam()
ETHER = EtherParam()
CONDITION = ConditionParam()
SETTING = SettingParam()
PLACE = PlaceParam()
SERVING = ServingParam()
