"""The gate that every connection of a crawl passes: which addresses may be connected to at all.

Pure rules, no sockets: `crawl/download.py` asks `Gate.check` with the address that a socket is about to
connect to, so spellings of an address, redirects and names that change their answer all meet the same
question. Reads and writes nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from store.errors import UsageError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates), plus the multicast
# blocks; the last of the IPv4 list is the agent address of a cloud that lies in public space.
SPECIAL_V4 = tuple(
    (ipaddress.IPv4Network(network), why)
    for network, why in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("168.63.129.16/32", "cloud agent"),
    )
)
# Only 2000::/3 is handed out as global unicast; of that, these blocks are not the public web.
GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
SPECIAL_V6 = tuple(
    (ipaddress.IPv6Network(network), why)
    for network, why in (
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),
    )
)
NAMED_V6 = tuple(
    (ipaddress.IPv6Network(network), why)
    for network, why in (
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
HOST_NAME = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


class AddressRefused(OSError):  # noqa: N818 -- named after its situation
    """A socket was about to connect to an address that this crawl may not reach."""


def why_refused(address: Address) -> str | None:
    """The reason why `address` is not a public one, in a word or two; None for a public address.

    An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4, ISATAP) is judged by itself.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return next((why for network, why in SPECIAL_V4 if address in network), None)
    inner = _embedded(address)
    if inner is not None and (why := why_refused(inner)):
        return why
    if address.ipv4_mapped or address in NAT64:
        return None  # the inner address is public, and it is the one that is reached
    table = SPECIAL_V6 if address in GLOBAL_V6 else NAMED_V6
    why = next((why for network, why in table if address in network), None)
    return why if why or address in GLOBAL_V6 else "reserved"


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    isatap = (int(address) >> 32) & 0xFFFFFFFF in (0x00005EFE, 0x02005EFE)  # RFC 5214
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if isatap or address in NAT64 else None


@dataclass(frozen=True)
class Gate:
    """What one crawl may connect to: public addresses and the exempt pairs; and the names it resolves itself.

    `names` maps host names (`a.demo.test`, or `*.demo.test` for every name below) to addresses, as curl's
    --resolve; the port stays that of the URL, and a mapped address passes the same check as any other.
    """

    exempt: frozenset[tuple[Address, int]] = frozenset()
    names: Mapping[str, Address] = field(default_factory=dict)

    @classmethod
    def of(cls, allow_addresses: Sequence[str], resolve: Mapping[str, str]) -> Gate:
        """The gate for `--allow-address` values and a `[resolve]` table. Raises UsageError."""
        return cls(
            frozenset(_pair(text) for text in allow_addresses),
            {_name(name): _literal(text, f"[resolve] {name!r}") for name, text in resolve.items()},
        )

    def check(self, host: str, port: int) -> None:
        """Raise AddressRefused unless a socket may connect to the numeric address `host` at `port`."""
        try:
            address = _plain(ipaddress.ip_address(host))
        except ValueError:
            raise AddressRefused(f"{host!r} is not a numeric address") from None
        if (address, port) in self.exempt:
            return
        why = why_refused(address)
        if why:
            raise AddressRefused(f"{address} port {port} is {why}; --allow-address would exempt it")

    def named(self, host: str) -> Address | None:
        """The address that `[resolve]` gives `host`, an exact name before a `*.` one, or None."""
        name = host.rstrip(".").lower()
        if name in self.names:
            return self.names[name]
        parents = name.split(".")[1:]
        wild = (f"*.{'.'.join(parents[start:])}" for start in range(len(parents)))
        return next((self.names[pattern] for pattern in wild if pattern in self.names), None)


def _plain(address: Address) -> Address:
    """A v4-mapped address is the IPv4 address that the socket reaches; a scope changes nothing."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return address


def _pair(text: str) -> tuple[Address, int]:
    host, _, port = text.strip().rpartition(":")
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    bracketed = inner != host
    fits = re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536
    if not fits or bracketed != (":" in inner):
        raise UsageError(f"--allow-address wants IP:PORT or [IPv6]:PORT, a literal. Received: {text!r}")
    return _literal(inner, "--allow-address"), int(port)


def _literal(text: str, where: str) -> Address:
    try:
        return _plain(ipaddress.ip_address(text))
    except ValueError:
        raise UsageError(f"{where} wants an IP address in its usual spelling, no name. Received: {text!r}") from None


def _name(text: str) -> str:
    name = text.rstrip(".").lower()
    numeric = name.rpartition(".")[2].isdigit()
    if not HOST_NAME.fullmatch(name) or numeric or ":" in name:
        raise UsageError(f"[resolve] wants host names such as a.demo.test or *.demo.test. Received: {text!r}")
    return name
