"""The source of a picture: the registered domain of the page where it was first seen."""

from __future__ import annotations

import functools
import ipaddress

import tldextract


@functools.cache
def _extract() -> tldextract.TLDExtract:
    # No suffix_list_urls: the list that came with the package is used, and nothing is fetched.
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


@functools.lru_cache(maxsize=100_000)
def source_of(host: str, port: int | None = None) -> str:
    """The registered domain of `host` (`images.example.co.uk` → `example.co.uk`).

    A loopback address counts as its own source with its port, and so does a name without a public suffix, as
    a test resolver's: two test servers on one machine are two sources.
    """
    name = host.strip().rstrip(".").lower().strip("[]")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        found = _extract()(name).top_domain_under_public_suffix
        if found:
            return found
        return name if name != "localhost" or port is None else f"{name}:{port}"
    return f"{address}:{port}" if address.is_loopback and port is not None else str(address)


@functools.lru_cache(maxsize=100_000)
def domain_of(host: str) -> str:
    """The registered domain of `host`; without a public suffix its last two labels, an address as it is.

    Unlike `source_of` it joins `a.shop.test` and `b.shop.test`: who owns one can make as many as they like.
    """
    name = host.strip().rstrip(".").lower().strip("[]")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return _extract()(name).top_domain_under_public_suffix or ".".join(name.split(".")[-2:])
