"""What strangers announce, and what is read of it: gateways, and nothing that could lead anywhere else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_chain.adapters.gateways.urls import parse_url
from swarm_chain.core.announcements import MAX_GATEWAYS, MAX_STORES, announcement_of, gateways_in, url_of
from swarm_chain.errors import ConfigurationError

READ = {
    "http://192.0.2.7:4801": "http://192.0.2.7:4801",
    "http://192.0.2.7:80": "http://192.0.2.7",
    "https://gateway.example": "https://gateway.example",
    "https://Gateway.Example:443/": "https://gateway.example",
    "https://gateway.example:8443/of/this_node/": "https://gateway.example:8443/of/this_node",
    "http://[2001:db8::7]:4801": "http://[2001:db8::7]:4801",
    "http://[2001:DB8:0:0:0:0:0:7]:4801": "http://[2001:db8::7]:4801",
    "http://node-3:4801": "http://node-3:4801",
    "/ip4/192.0.2.7/tcp/4801/http": "http://192.0.2.7:4801",
    "/ip6/2001:db8::7/tcp/4801/http": "http://[2001:db8::7]:4801",
    "/dns4/gateway.example/tcp/443/https": "https://gateway.example",
    "/dns/gateway.example/tcp/8443/tls/http": "https://gateway.example:8443",
    "/dns6/Gateway.Example/tcp/80/http": "http://gateway.example",
}

PASSED_OVER = [
    # Not gateways.
    "",
    "gateway.example",
    "//gateway.example",
    "ftp://gateway.example",
    "file:///etc/passwd",
    "gopher://gateway.example",
    "javascript:alert(1)",
    "local:/home/anna/store",
    "kubo:/ip4/192.0.2.7/tcp/5001",
    "HTTP://gateway.example",
    "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWSHj3RRbBjD15g6wekV8y3mm57Pobmps2g2WJm6F67Lay",
    "/ip4/192.0.2.7/udp/4001/quic-v1",
    "/ip4/192.0.2.7/tcp/4801/http/p2p-circuit",
    "/ip4/192.0.2.7/tcp/4801",
    "/dnsaddr/gateway.example/tcp/443/https",
    "/unix/var/run/docker.sock/http",
    # Somebody's name and password, a question, a fragment.
    "http://user@gateway.example",
    "http://user:password@gateway.example",
    "http://gateway.example@127.0.0.1",
    "http://gateway.example?x=1",
    "http://gateway.example/?x=1",
    "http://gateway.example/#x",
    # Paths that mean another than they say.
    "http://gateway.example/../admin",
    "http://gateway.example/./x",
    "http://gateway.example/%2e%2e/admin",
    "http://gateway.example//x",
    "http://gateway.example/a\\b",
    # Ports that are none.
    "http://gateway.example:0",
    "http://gateway.example:65536",
    "http://gateway.example:080",
    "http://gateway.example:-1",
    "http://gateway.example:80:80",
    "http://gateway.example:",
    "/ip4/192.0.2.7/tcp/0/http",
    "/ip4/192.0.2.7/tcp/99999/http",
    # Addresses that are written to be read in two ways.
    "http://0x7f.0.0.1",
    "http://0x7f000001",
    "http://2130706433",
    "http://127.1",
    "http://0177.0.0.1",
    "http://127.0.0.1.",
    "http://192.0.2.007",
    "http://256.0.0.1",
    "http://1.2.3",
    "http://[fe80::1%25eth0]:80",
    "http://[fe80::1%eth0]:80",
    "http://[::1",
    "http://[]",
    "http://[192.0.2.7]",
    "http://fe80::1",
    "http://%31%32%37.0.0.1",
    "/ip6/fe80::1%eth0/tcp/80/http",
    "/ip4/localhost/tcp/80/http",
    "/ip4/::1/tcp/80/http",
    "/ip6/127.0.0.1/tcp/80/http",
    "/dns4/::1/tcp/80/http",
    # Names that are none.
    "http://-a.example",
    "http://a-.example",
    "http://a..example",
    "http://.example",
    "http://exa_mple",
    "http://" + "a" * 64 + ".example",
    "http://" + "a." * 127 + "example",
    "http://gateway.example\x00.evil",
    "http://gateway\u2024example",
    "http://\uff47ateway.example",
]


@pytest.mark.parametrize(("text", "url"), READ.items())
def test_gateways_in__gateway__is_read_as_one_url(text: str, url: str) -> None:
    assert gateways_in(text.encode()) == (url,)
    assert str(parse_url(url)) == url


@pytest.mark.parametrize("text", PASSED_OVER)
def test_gateways_in__anything_else__is_passed_over(text: str) -> None:
    assert gateways_in(text.encode()) == ()
    assert gateways_in(f"{text} https://good.example".encode()) == ("https://good.example",)


def test_gateways_in__many__are_the_first_four() -> None:
    many = " ".join(f"http://h{number}.example" for number in range(100)).encode()
    assert gateways_in(many) == tuple(f"http://h{number}.example" for number in range(MAX_GATEWAYS))


def test_gateways_in__the_same_in_several_ways__is_one() -> None:
    assert gateways_in(b"http://a.example http://a.example:80/ /dns/a.example/tcp/80/http") == ("http://a.example",)


def test_gateways_in__more_than_the_contract_takes__is_cut() -> None:
    assert gateways_in(b" " * (MAX_STORES - 5) + b"http://a.example") == ()


@given(st.binary(max_size=600) | st.text(alphabet="htp:/[]%@.0123456789abcxf \n-", max_size=500).map(str.encode))
def test_gateways_in__rubbish__gives_urls_that_can_be_asked_and_nothing_else(stores: bytes) -> None:
    for url in gateways_in(stores):
        assert str(parse_url(url)) == url
        assert gateways_in(url.encode()) == (url,)


def test_gateways_in__512_bytes_of_noise__is_quick_and_empty() -> None:
    noise = random.Random(5)
    for _ in range(200):
        assert gateways_in(noise.randbytes(512)) == ()


def test_announcement_of__urls__are_read_back() -> None:
    places = [url_of("192.0.2.7", 4801), url_of("2001:db8::7", 4801), "https://gateway.example"]
    assert gateways_in(announcement_of(places)) == tuple(places)
    assert announcement_of([]) == b""


@pytest.mark.parametrize("text", ["", "local:/home/anna/store", "http://a b", "gateway.example", "http://ä.example"])
def test_announcement_of__no_place__is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no place to fetch blocks from"):
        announcement_of([text])


def test_announcement_of__too_much__is_refused() -> None:
    with pytest.raises(ConfigurationError, match="announce fewer"):
        announcement_of([f"https://gateway-{number}.example" for number in range(20)])
