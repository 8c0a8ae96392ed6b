"""Every range of the IANA special-purpose registries, at both ends, and each way to hide an IPv4 address in IPv6."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.upstream.addresses import is_public

_SPECIAL = [
    pytest.param("0.0.0.0/8", id="this-network"),
    pytest.param("10.0.0.0/8", id="private-10"),
    pytest.param("100.64.0.0/10", id="carrier-grade-nat"),
    pytest.param("127.0.0.0/8", id="loopback"),
    pytest.param("169.254.0.0/16", id="link-local"),
    pytest.param("172.16.0.0/12", id="private-172"),
    pytest.param("192.0.0.0/24", id="protocol-assignments"),
    pytest.param("192.0.0.0/29", id="dual-stack-lite"),
    pytest.param("192.0.0.170/31", id="nat64-discovery"),
    pytest.param("192.0.2.0/24", id="test-net-1"),
    pytest.param("192.31.196.0/24", id="as112-v4"),
    pytest.param("192.52.193.0/24", id="amt"),
    pytest.param("192.88.99.0/24", id="6to4-relay"),
    pytest.param("192.168.0.0/16", id="private-192"),
    pytest.param("192.175.48.0/24", id="as112-direct"),
    pytest.param("198.18.0.0/15", id="benchmarking"),
    pytest.param("198.51.100.0/24", id="test-net-2"),
    pytest.param("203.0.113.0/24", id="test-net-3"),
    pytest.param("224.0.0.0/4", id="multicast"),
    pytest.param("240.0.0.0/4", id="reserved"),
    pytest.param("255.255.255.255/32", id="broadcast"),
    pytest.param("168.63.129.16/32", id="a-clouds-own-services"),
    pytest.param("::/128", id="unspecified"),
    pytest.param("::1/128", id="loopback-6"),
    pytest.param("::/96", id="v4-compatible"),
    pytest.param("::ffff:0:0/96", id="v4-mapped"),
    pytest.param("::ffff:0:0:0/96", id="v4-translated"),
    pytest.param("64:ff9b::/96", id="nat64"),
    pytest.param("64:ff9b:1::/48", id="local-nat64"),
    pytest.param("100::/64", id="discard-only"),
    pytest.param("100:0:0:1::/64", id="dummy-prefix"),
    pytest.param("200::/7", id="nsap"),
    pytest.param("2001::/23", id="protocol-assignments-6"),
    pytest.param("2001::/32", id="teredo"),
    pytest.param("2001:1::1/128", id="port-control"),
    pytest.param("2001:2::/48", id="benchmarking-6"),
    pytest.param("2001:3::/32", id="amt-6"),
    pytest.param("2001:4:112::/48", id="as112-6"),
    pytest.param("2001:10::/28", id="orchid"),
    pytest.param("2001:20::/28", id="orchid-2"),
    pytest.param("2001:30::/28", id="drone-remote-id"),
    pytest.param("2001:db8::/32", id="documentation"),
    pytest.param("2002::/16", id="6to4"),
    pytest.param("2620:4f:8000::/48", id="as112-direct-6"),
    pytest.param("3ffe::/16", id="6bone"),
    pytest.param("3fff::/20", id="documentation-2"),
    pytest.param("4000::/2", id="unassigned"),
    pytest.param("5f00::/16", id="srv6"),
    pytest.param("8000::/1", id="unassigned-and-local"),
    pytest.param("fc00::/7", id="unique-local"),
    pytest.param("fe80::/10", id="link-local-6"),
    pytest.param("fec0::/10", id="site-local"),
    pytest.param("ff00::/8", id="multicast-6"),
]


@pytest.mark.req(77)
@pytest.mark.parametrize("network", _SPECIAL)
def test_no_address_of_a_special_range_is_public(network: str):
    found = ip_network(network)
    middle = found.network_address + (found.num_addresses // 2)
    for address in (found.network_address, found.network_address + min(1, found.num_addresses - 1), middle):
        assert not is_public(str(address))
    assert not is_public(str(found.broadcast_address))


@pytest.mark.req(77)
@pytest.mark.parametrize(
    "address",
    [
        pytest.param("169.254.169.254", id="metadata"),
        pytest.param("100.100.100.200", id="metadata-behind-nat"),
        pytest.param("192.0.0.192", id="metadata-in-protocol-assignments"),
        pytest.param("fd00:ec2::254", id="metadata-6"),
        pytest.param("::ffff:169.254.169.254", id="mapped-metadata"),
        pytest.param("::ffff:8.8.8.8", id="mapped-public"),
        pytest.param("::169.254.169.254", id="compatible"),
        pytest.param("64:ff9b::a9fe:a9fe", id="nat64-metadata"),
        pytest.param("64:ff9b::808:808", id="nat64-public"),
        pytest.param("64:ff9b:1::a9fe:a9fe", id="local-nat64-metadata"),
        pytest.param("2002:a9fe:a9fe::1", id="6to4-metadata"),
        pytest.param("2002:808:808::1", id="6to4-public"),
        pytest.param("2001:0:808:808::5601:5601", id="teredo"),
        pytest.param("fe80::5efe:10.0.0.1", id="isatap-link-local"),
        pytest.param("2606:4700::5efe:127.0.0.1", id="isatap-global"),
        pytest.param("2606:4700::200:5efe:8.8.8.8", id="isatap-global-unique"),
        pytest.param("fe80::1%eth0", id="zone"),
        pytest.param("2606:4700::1111%1", id="zone-on-a-global-address"),
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("::1", id="loopback-6"),
    ],
)
def test_no_transition_form_is_public_whatever_is_inside(address: str):
    assert not is_public(address)


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "2130706433", "0x7f000001", "127.1", "010.0.0.1", "8.8.8.8 ", "8.8.8.8/32", "[2606:4700::1111]"],
)
def test_what_is_not_an_address_in_its_plain_form_is_not_public(text: str):
    assert not is_public(text)


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.215.14", "100.63.255.255", "100.128.0.0"),
        *("126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0"),
        *("172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.167.255.255"),
        *("192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255"),
        *("203.0.114.0", "223.255.255.255", "2001:200::1", "2001:db7:ffff::1", "2001:db9::1", "2003::1"),
        *(
            "2606:4700:4700::1111",
            "2a00:1450:4001::200e",
            "2620:4f:7fff::1",
            "2620:4f:8001::1",
            "3ffd::1",
            "3fff:1000::1",
        ),
    ],
)
def test_their_neighbours_are_public(address: str):
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_ipv4_is_public_only_where_the_standard_library_has_nothing_against_it(address: IPv4Address):
    if is_public(str(address)):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@given(st.ip_addresses(v=6))
def test_ipv6_is_public_only_where_the_standard_library_has_nothing_against_it(address: IPv6Address):
    if is_public(str(address)):
        assert address.is_global
        assert not any((address.is_multicast, address.is_reserved, address.is_site_local))
        assert address.ipv4_mapped is address.sixtofour is address.teredo is None
