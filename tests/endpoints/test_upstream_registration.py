"""A server whose pool registers itself: denied until it has, then as any other, and again when it was forgotten."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from sidecar.directory import Directory
from sidecar.records import Pool
from sidecar.upstream.base import UpstreamClientRefused
from tests.endpoints.conftest import Face
from tests.fakes.idp import FakeIdp
from tests.fakes.registrations import Registrations

PRM = "/.well-known/oauth-protected-resource/mcp"


@pytest.fixture
async def own(face: Face, idp: FakeIdp) -> AsyncIterator[Face]:
    """The pool `corp` has no client id, and the provider lets it register."""
    idp.registrations = Registrations()
    served = face.services.settings.directory
    pools = dict(served.pools) | {"corp": idp.pool(client_id="", client_secret="")}
    async with face.with_settings(directory=Directory(served.servers, served.issuers, pools)) as other:
        await other.services.pools.refresh()
        yield other


async def registered(face: Face) -> Pool:
    await face.services.pool_registration.look()
    await face.services.pools.refresh()
    return face.services.pools["corp"]


async def test_nothing_is_offered_before_there_is_a_client_at_the_provider(own: Face):
    assert (await own.get(PRM)).status == 404
    assert (await own.post_json("/register", {"redirect_uris": ["http://127.0.0.1/cb"]})).status == 404
    await registered(own)
    assert (await own.get(PRM)).status == 200
    await own.register()


async def test_a_refused_client_is_looked_at_and_made_anew(own: Face, idp: FakeIdp):
    pool = await registered(own)
    idp.registrations.forget()
    own.clock.advance(601)
    with pytest.raises(UpstreamClientRefused):
        await own.services.upstream_refresh.upstream.refresh(pool, "any")
    assert (await registered(own)).client_id == "registered-2"


async def test_another_providers_no_to_an_older_client_changes_nothing(own: Face, idp: FakeIdp):
    pool = await registered(own)
    own.clock.advance(601)
    former = replace(pool, client_id="now", former=())
    with pytest.raises(UpstreamClientRefused):
        await own.services.upstream_refresh.upstream.refresh(former, "any")
    assert (await registered(own)).client_id == "registered-1"
    assert idp.registrations.made == 1


async def test_no_secret_of_it_reaches_the_events_or_the_store(own: Face):
    await registered(own)
    assert "manage-1" not in repr(own.events)
    assert "secret a" not in repr(own.events)
    assert b"secret a+b" not in await own.dump()
