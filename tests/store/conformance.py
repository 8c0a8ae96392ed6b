"""The one suite that every server must pass. A module that runs it gives the fixture `client`; see conftest."""

from tests.store.conformance_clients import *  # noqa: F403
from tests.store.conformance_codes import *  # noqa: F403
from tests.store.conformance_initial_access import *  # noqa: F403
from tests.store.conformance_listing import *  # noqa: F403
from tests.store.conformance_others import *  # noqa: F403
from tests.store.conformance_pools import *  # noqa: F403
from tests.store.conformance_tokens import *  # noqa: F403
from tests.store.conformance_upstream import *  # noqa: F403
from tests.store.conformance_upstream_registrations import *  # noqa: F403
