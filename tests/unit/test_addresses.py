"""Where strangers may send this machine: nowhere inside it or its network, whatever the address is written as."""

from __future__ import annotations

import ipaddress
import socket
import time

import pytest

from swarm_chain.adapters import addresses
from swarm_chain.adapters.addresses import Endpoint, check_public, is_own, is_public, resolve
from swarm_chain.errors import AddressRefused, StoreUnavailable


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",  # noqa: S104
        "10.0.0.7",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:192.168.1.1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1",
        # Teredo of a client at 10.0.0.1, which is written inverted.
        "2001:0:5ef5:79fd:0:0:f5ff:fffe",
    ],
)
def test_check_public__address_inside__is_refused(address: str) -> None:
    with pytest.raises(AddressRefused, match="allow_private_addresses"):
        check_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"]
)
def test_is_public__somebodys_on_the_internet__is(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def own_address() -> ipaddress.IPv4Address:
    """An address of this machine that is no loopback one, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.77", 9))
        except OSError:
            pytest.skip("this machine has no network")
        return ipaddress.IPv4Address(probe.getsockname()[0])


def test_is_own__address_of_an_interface__is(socket_enabled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    address = own_address()
    assert is_own(address)
    assert is_own(ipaddress.IPv6Address(f"::ffff:{address}"))
    assert not is_own(ipaddress.ip_address("203.0.113.9"))
    # Were it a public one, it would be refused all the same.
    monkeypatch.setattr(addresses, "is_public", lambda _: True)
    with pytest.raises(AddressRefused, match="this machine"):
        check_public(address)


def names(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    """Makes every name lead to these addresses; the list gets each name that is asked for."""
    asked = []

    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(0, 0, 0, "", (address, port) if "." in address else (address, port, 0, 0)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(addresses, "is_own", lambda _: False)
    return asked


def test_resolve__name_of_public_addresses__gives_them_once_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names(monkeypatch, "1.1.1.1", "2606:4700::1111", "1.1.1.1")

    found = resolve("gateway.example", 8080, allow_private=False, seconds=5)

    assert found == (
        Endpoint(ipaddress.ip_address("1.1.1.1"), 8080),
        Endpoint(ipaddress.ip_address("2606:4700::1111"), 8080),
    )
    assert [one.sockaddr for one in found] == [("1.1.1.1", 8080), ("2606:4700::1111", 8080, 0, 0)]
    assert asked == ["gateway.example"]


def test_resolve__one_of_its_addresses_is_inside__refuses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "1.1.1.1", "192.168.0.1")

    with pytest.raises(AddressRefused, match=r"gateway\.example \(192\.168\.0\.1\)"):
        resolve("gateway.example", 80, allow_private=False, seconds=5)
    assert len(resolve("gateway.example", 80, allow_private=True, seconds=5)) == 2


def test_resolve__name_of_a_thousand_addresses__gives_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, *(f"1.1.{index >> 8}.{index & 255}" for index in range(1000)))

    assert len(resolve("gateway.example", 80, allow_private=False, seconds=5)) == addresses.MAX_ADDRESSES


def test_resolve__nobody_answers__ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(5))
    started = time.monotonic()

    with pytest.raises(StoreUnavailable, match="no name server"):
        resolve("gateway.example", 80, allow_private=True, seconds=0.1)
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".example", "\udcff.example"])
def test_resolve__no_such_name__raises_store_unavailable(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    def getaddrinfo(host: str, *_: object, **__: object) -> None:
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(StoreUnavailable, match="cannot be found"):
        resolve(host, 80, allow_private=True, seconds=5)
