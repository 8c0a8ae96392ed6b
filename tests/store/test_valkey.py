"""The suite, races and faults on a real Valkey server."""

import pytest

from tests.store.conformance import *  # noqa: F403
from tests.store.on_servers import *  # noqa: F403
from tests.store.servers import running, valkey_binary


@pytest.fixture(scope="module")
def url():
    with running(valkey_binary()) as server:
        yield server.url
