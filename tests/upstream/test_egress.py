"""How a pool's provider is reached: through a forward proxy, with a private CA, and what it means when that fails."""

from pathlib import Path

import pytest

from sidecar.upstream.base import UpstreamUnavailable, UpstreamUnknown
from tests.fakes.clock import FakeClock
from tests.fakes.idp import FakeIdp
from tests.fakes.proxy import ForwardProxy
from tests.upstream.certificates import private_tls
from tests.upstream.driver import Driver


async def test_every_call_of_a_sign_in_goes_through_the_pools_proxy(idp: FakeIdp, driver: Driver):
    """Plain http (loopback only) is asked for by its whole URL (RFC 9112 3.2.2)."""
    async with ForwardProxy.running() as proxy:
        pool = idp.pool(proxy=proxy.url)
        done = await driver.sign_in(pool)
        await driver.upstream.refresh(pool, done.tokens.refresh_token)
    assert proxy.asked == [
        f"GET {idp.url}/.well-known/openid-configuration",
        f"POST {idp.url}/token",
        f"GET {idp.url}/jwks",
        f"POST {idp.url}/token",
    ]
    assert done.identity.subject == "alice"


async def test_https_is_tunnelled_and_the_private_ca_is_checked_inside(
    driver: Driver, clock: FakeClock, tmp_path: Path
):
    """CONNECT (RFC 9110 9.3.6): the proxy sees a host and a port, never a secret."""
    tls, ca_file = private_tls(tmp_path)
    async with FakeIdp.running(tls=tls, clock=clock) as idp, ForwardProxy.running() as proxy:
        pool = idp.pool(proxy=proxy.url, ca=ca_file.read_text())
        url = await driver.authorization_url(pool)
        with pytest.raises(UpstreamUnavailable):  # without the CA the tunnel is there, but nobody to trust
            await driver.upstream.refresh(idp.pool(proxy=proxy.url), "rt")
        idp.knows("rt-1")
        await driver.upstream.refresh(pool, "rt-1")
        assert len(idp.seen("token")) == 1
    assert url.startswith(f"{idp.url}/authorize?")
    assert set(proxy.asked) == {f"CONNECT {idp.url.removeprefix('https://')}"}
    assert proxy.seen
    assert not any(b"refresh_token" in data or b"upstream-client" in data for data in proxy.seen)


async def test_the_proxys_own_login_is_sent_to_the_proxy_alone(driver: Driver, clock: FakeClock, tmp_path: Path):
    tls, ca_file = private_tls(tmp_path)
    async with FakeIdp.running(tls=tls, clock=clock) as idp, ForwardProxy.running(login="user:secret") as proxy:
        idp.knows("rt-1")
        await driver.upstream.refresh(idp.pool(proxy=proxy.url, ca=ca_file.read_text()), "rt-1")
        bare = idp.pool(proxy=proxy.url.replace("user:secret@", ""), ca=ca_file.read_text())
        with pytest.raises(UpstreamUnavailable):
            await driver.upstream.refresh(bare, "rt-1")
        assert all("Proxy-Authorization" not in seen.headers for seen in idp.requests)
        assert "secret@" not in repr(idp.pool(proxy=proxy.url))


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_lets_nobody_through_means_not_reached(
    driver: Driver, clock: FakeClock, tmp_path: Path, status: int
):
    """Nothing was sent, so nothing changed at the provider."""
    tls, ca_file = private_tls(tmp_path)
    async with FakeIdp.running(tls=tls, clock=clock) as idp, ForwardProxy.running() as proxy:
        pool = idp.pool(proxy=proxy.url, ca=ca_file.read_text())
        await driver.authorization_url(pool)
        proxy.refuse = status
        with pytest.raises(UpstreamUnavailable):
            await driver.upstream.refresh(pool, "rt")
        assert idp.seen("token") == []


async def test_a_tunnel_that_breaks_after_the_request_is_an_unknown_outcome(
    driver: Driver, clock: FakeClock, tmp_path: Path
):
    """The provider may have rotated the refresh token behind it."""
    async with FakeIdp.running(clock=clock) as idp, ForwardProxy.running() as proxy:
        pool = idp.pool(proxy=proxy.url)
        tokens = (await driver.sign_in(pool)).tokens
        proxy.drop = True
        with pytest.raises(UpstreamUnknown):
            await driver.upstream.refresh(pool, tokens.refresh_token)
        assert len(idp.seen("token")) == 2


async def test_two_pools_use_each_its_own_way(idp: FakeIdp, driver: Driver):
    """A document that came through one pool's proxy does not serve another pool."""
    async with ForwardProxy.running() as one, ForwardProxy.running() as other:
        await driver.authorization_url(idp.pool(proxy=one.url))
        await driver.authorization_url(idp.pool(proxy=other.url))
        await driver.authorization_url(idp.pool())
    assert (len(one.asked), len(other.asked), len(idp.seen("discovery"))) == (1, 1, 3)
