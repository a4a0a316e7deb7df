from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.guard import AddressRefused, Gate, why_refused
from store.errors import UsageError

NOT_PUBLIC_V4 = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
    "240.0.0.0/4",
]  # fmt: skip
NOT_PUBLIC_V6 = [
    "::/128", "::1/128", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "2001::/32", "2001:db8::/32",
    "100::/64", "64:ff9b:1::/48", "3fff::/20", "5f00::/16", "::/96",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "172.15.255.255",
    "172.32.0.1",
    "100.128.0.1",
    "223.255.255.255",
    "192.0.1.1",
]
PUBLIC_V6 = ["2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"]


def inside(networks: list[str]) -> st.SearchStrategy[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    return st.sampled_from(networks).map(ipaddress.ip_network).flatmap(lambda n: st.ip_addresses(network=n))


def carrying(inner: ipaddress.IPv4Address) -> list[ipaddress.IPv6Address]:
    """Every IPv6 form in which `inner` can hide."""
    number = int(inner)
    return [
        ipaddress.IPv6Address(number),
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1),
        ipaddress.IPv6Address((0x2A00 << 112) | (0x5EFE << 32) | number),
        ipaddress.IPv6Address((0x2A00 << 112) | (0x02005EFE << 32) | number),
        ipaddress.IPv6Address((0x20010000 << 96) | (0xFFFFFFFF ^ number)),
    ]


@given(inside(NOT_PUBLIC_V4))
def test_no_address_of_a_special_block_passes_in_any_dress(address: ipaddress.IPv4Address) -> None:
    gate = Gate()
    for form in [address, *carrying(address)]:
        assert why_refused(form)
        with pytest.raises(AddressRefused):
            gate.check(str(form), 80)


@given(inside(NOT_PUBLIC_V6))
def test_no_special_ipv6_address_passes(address: ipaddress.IPv6Address) -> None:
    assert why_refused(address)


@given(st.ip_addresses())
def test_the_standard_library_never_knows_a_reason_that_the_gate_does_not(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    inner = getattr(address, "ipv4_mapped", None) or address
    special = inner.is_private or inner.is_loopback or inner.is_link_local or inner.is_multicast or inner.is_reserved
    is_nat64 = address in ipaddress.ip_network("64:ff9b::/96") if address.version == 6 else False
    assert why_refused(address) or is_nat64 or not special


@pytest.mark.parametrize("address", PUBLIC + PUBLIC_V6)
def test_public_addresses_pass(address: str) -> None:
    assert why_refused(ipaddress.ip_address(address)) is None
    Gate().check(address, 80)


@pytest.mark.parametrize("host", ["", "localhost", "127.1", "0177.0.0.1", "2130706433", "①②⑦.0.0.1", "127.0.0.1\n"])
def test_only_numeric_addresses_are_looked_at(host: str) -> None:
    with pytest.raises(AddressRefused, match="numeric"):
        Gate().check(host, 80)


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_an_exemption_is_one_address_and_one_port(allowed: int, asked: int) -> None:
    gate = Gate.of([f"127.0.0.1:{allowed}"], {})
    gate.check("127.0.0.1", allowed)
    gate.check("::ffff:127.0.0.1", allowed)  # the same socket
    refused = [("127.0.0.2", allowed), ("0.0.0.0", allowed), ("::1", allowed)]
    if asked != allowed:
        refused.append(("127.0.0.1", asked))
    for host, port in refused:
        with pytest.raises(AddressRefused):
            gate.check(host, port)


def test_an_ipv6_exemption_is_written_in_brackets() -> None:
    gate = Gate.of(["[::1]:8080"], {})
    gate.check("::1", 8080)
    with pytest.raises(AddressRefused, match="loopback"):
        gate.check("::1", 8081)


@pytest.mark.parametrize(
    "text",
    ["localhost:80", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", "",
     "::1:80", "127.1:80", "0x7f.0.0.1:80", "127.0.0.1:８０", "[127.0.0.1]:80", "127.0.0.0/8:80",
     "127.0.0.1:" + "9" * 5000],
)  # fmt: skip
def test_an_exemption_that_is_no_literal_pair_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"--allow-address wants .* Received") as caught:
        Gate.of([text], {})
    assert caught.value.exit_code == 2


def test_names_are_resolved_exactly_then_by_wildcard() -> None:
    gate = Gate.of([], {"a.demo.test": "10.0.0.1", "*.demo.test": "10.0.0.2", "*.test": "10.0.0.3"})
    found = {
        name: str(gate.named(name))
        for name in ("a.demo.test", "A.DEMO.TEST.", "b.demo.test", "x.y.demo.test", "c.test")
    }
    assert found == {
        "a.demo.test": "10.0.0.1",
        "A.DEMO.TEST.": "10.0.0.1",
        "b.demo.test": "10.0.0.2",
        "x.y.demo.test": "10.0.0.2",
        "c.test": "10.0.0.3",
    }
    assert gate.named("demo.org") is None
    assert gate.named("test") is None


@pytest.mark.parametrize(
    ("name", "address"),
    [("a.test", "localhost"), ("a.test", "127.0.0.1:80"), ("a.test", ""), ("127.0.0.1", "10.0.0.1"),
     ("127.1", "10.0.0.1"), ("a b", "10.0.0.1"), ("", "10.0.0.1"), ("a.*.test", "10.0.0.1"),
     ("*", "10.0.0.1"), ("::1", "10.0.0.1")],
)  # fmt: skip
def test_a_resolve_entry_that_is_no_name_and_address_is_a_usage_error(name: str, address: str) -> None:
    with pytest.raises(UsageError, match=r"\[resolve\]"):
        Gate.of([], {name: address})


def test_a_mapped_name_is_no_exemption() -> None:
    gate = Gate.of([], {"a.test": "127.0.0.1"})
    with pytest.raises(AddressRefused):
        gate.check(str(gate.named("a.test")), 80)
