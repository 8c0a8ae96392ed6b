"""What the store's tests share. A module says which server: fixture `client`, a redis-py client on an empty one."""

from itertools import count

import pytest

from sidecar.store.redis import store_on

for part in (
    "clients",
    "codes",
    "initial_access",
    "listing",
    "others",
    "pools",
    "tokens",
    "upstream",
    "upstream_registrations",
):
    pytest.register_assert_rewrite(f"tests.store.conformance_{part}")

_prefixes = count(1)


@pytest.fixture
def prefix():
    """Its own key space for each test."""
    return f"t{next(_prefixes)}"


@pytest.fixture
def unreadable():
    """The reasons that the store told."""
    return []


@pytest.fixture
def store(client, prefix, unreadable):
    return store_on(client, prefix=prefix, timeout_ms=10_000, on_unreadable=unreadable.append)


@pytest.fixture
def all_keys(client, prefix):
    async def scan():
        return [key async for key in client.scan_iter(match=f"{prefix}:*")]

    return scan
