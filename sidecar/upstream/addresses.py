"""Which addresses belong to the public internet: pure. What a stranger's URL leads to must be one of them.

Owns one question and answers it by the IANA special-purpose address registries (RFC 6890) rather than by the
`ipaddress` module, whose tables differ between Python versions. The rule is the simplest safe one: an IPv4 address in
no registered range, or an IPv6 address of today's global unicast space in none. Every form that carries an IPv4 address
inside (mapped, compatible, NAT64, 6to4, Teredo, ISATAP) is refused, whatever is inside: a name on the internet has a
plain address.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_SPECIAL_4 = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; metadata services of some clouds
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # in no registry: the host's own services in one cloud, under a public number
        "169.254.0.0/16",  # link-local; metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # TEST-NET-1
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # TEST-NET-2
        "203.0.113.0/24",  # TEST-NET-3
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, limited broadcast
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
"""All that is given out today. Outside it: loopback, mapped, compatible, NAT64, discard-only, ULA, link-local, ..."""
_SPECIAL_6 = tuple(
    ip_network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID, AMT, AS112
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # the former 6bone
        "3fff::/20",  # documentation
    )
)
# RFC 5214 6.1: the interface identifier of an ISATAP address, below any prefix.
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})


def is_public(address: str) -> bool:
    """Whether the text is an address in its plain form, and one of the public internet. A zone id is never."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _SPECIAL_4)
    return _is_public_6(found)


def _is_public_6(found: IPv6Address) -> bool:
    if found.scope_id is not None or found not in _GLOBAL_6:
        return False
    if any(found in network for network in _SPECIAL_6):
        return False
    return (int(found) >> 32) & 0xFFFF_FFFF not in _ISATAP
