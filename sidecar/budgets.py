"""How much a source may ask of us, and which source that is. Values only: `limits` counts, the store keeps the counts.

A source is the address that Envoy saw. An IPv6 host commands a whole /64, so that is one source. Whatever is no address
shares one source, which makes a missing header a small budget and no way around it.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

UNKNOWN = "unknown"
_HOST_BITS = 64
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Budget:
    """`burst` at once, then one every 3600 / `per_hour` seconds. With `per_hour` 0 there is no limit."""

    per_hour: int
    burst: int

    @property
    def unlimited(self) -> bool:
        return self.per_hour == 0


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses that many people come from, such as a hosted client's or an office's. They share these budgets."""

    name: str
    networks: tuple[Network, ...]
    registrations: Budget = Budget(6000, 2000)
    """For each pool, and instead of the pool's own: a flood from elsewhere takes nothing from it."""
    sign_ins: Budget = Budget(30_000, 3000)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Defaults far above what people need, and below what a flood is."""

    registrations: Budget = Budget(300, 100)
    """Of one source."""
    pool_registrations: Budget = Budget(3000, 1000)
    """Of all sources outside the ranges together, for one pool."""
    sign_ins: Budget = Budget(3000, 300)
    """Answers to the consent page from one source: each writes, and an approval starts a transaction."""
    failed_authentications: Budget = Budget(60, 20)
    """Of one client from one source."""
    documents: Budget = Budget(600, 60)
    """Fetches of client documents, and of their keys, that are not in memory, on the account of one source."""
    ranges: tuple[Range, ...] = ()

    def range_of(self, source: str) -> Range | None:
        """The first range that holds the address."""
        address = _address(source)
        if address is None:
            return None
        return next((each for each in self.ranges if any(address in network for network in each.networks)), None)


def bucket(source: str) -> str:
    """What stands for the source: its IPv4 address, its IPv6 /64, or `unknown`."""
    address = _address(source)
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> _HOST_BITS << _HOST_BITS, _HOST_BITS)))


def _address(source: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(source)
    except ValueError:
        return None
    # A dual-stack listener sees IPv4 clients as ::ffff:192.0.2.1: without this all of them were one /64.
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
