"""Registering ourselves: where, as what, and what of an answer is believed. Threats MD-03, MD-04, UP-04."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from sidecar.directory import Server
from sidecar.records import Pool, SelfRegistration
from sidecar.upstream.base import UpstreamError, UpstreamMalformed, UpstreamUnavailable, UpstreamUnknown
from sidecar.upstream.client import open_upstream
from sidecar.upstream.registration import Registrar
from sidecar.upstream.registration_messages import (
    AuthorizationServer,
    Registered,
    RegistrationForgotten,
    RegistrationNotAllowed,
    RegistrationNotOffered,
    RegistrationRefused,
    Wanted,
)
from tests.fakes.clock import FakeClock
from tests.fakes.idp import ABSENT, FakeIdp, Fault
from tests.fakes.registrations import Registrations
from tests.upstream.servers import Origin

CALLBACK = "https://mcp.example.com/callback"
PRM = "/.well-known/oauth-protected-resource"


@pytest.fixture
async def idp(clock: FakeClock) -> AsyncIterator[FakeIdp]:
    async with FakeIdp.running(clock=clock, registrations=Registrations()) as idp:
        yield idp


@pytest.fixture
async def registrar(clock: FakeClock, monotonic, events) -> AsyncIterator[Registrar]:
    async with open_upstream(clock=clock, monotonic=monotonic, recorder=events.append, total_seconds=1.0) as opened:
        yield opened.registrar


def pool(idp: FakeIdp, **changes) -> Pool:
    return idp.pool(client_id="", client_secret="", **changes)


def server(origin: Origin, **changes) -> Server:
    resource, issuer = "https://mcp.example.com/mcp", "https://mcp.example.com"
    return replace(Server("notes", resource, origin.url, issuer, "corp"), **changes)


async def asked(registrar: Registrar, pool: Pool) -> tuple[AuthorizationServer, Wanted]:
    found = await registrar.find(pool, ())
    return found, registrar.wanted(pool, found, redirect_uris=(CALLBACK,), name="dcr-sidecar for notes")


async def register(registrar: Registrar, pool: Pool) -> Registered:
    return await registrar.register(pool, *(await asked(registrar, pool)))


async def test_what_we_say_of_ourselves(registrar: Registrar, idp: FakeIdp):
    """RFC 7591 2: what a web application with this callback needs, and nothing else."""
    registered = await register(registrar, pool(idp))
    (sent,) = idp.seen("register")
    assert sent.headers["Content-Type"] == "application/json"
    assert "Authorization" not in sent.headers
    assert (
        idp.registrations.clients["registered-1"]
        | {
            "client_name": "dcr-sidecar for notes",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_post",
            "application_type": "web",
            "scope": "openid email offline_access",
        }
        == idp.registrations.clients["registered-1"]
    )
    assert registered == Registered(
        "registered-1", "secret a+b%2F1", "client_secret_post", 0, f"{idp.url}/register/registered-1", "manage-1"
    )
    assert "secret" not in repr(registered).replace("client_secret_post", "").replace("secret_expires_at", "")
    assert "manage-1" not in repr(registered)


async def test_the_operators_token_opens_the_door(registrar: Registrar, idp: FakeIdp):
    idp.registrations.initial_access_token = "fake.initial"
    with pytest.raises(RegistrationRefused, match="invalid_token"):
        await register(registrar, pool(idp))
    await register(registrar, pool(idp, registration=SelfRegistration(initial_access_token="fake.initial")))


@pytest.mark.parametrize(
    ("supported", "token_auth", "method"),
    [
        pytest.param(["client_secret_basic", "client_secret_post"], "", "client_secret_post", id="post-before-basic"),
        pytest.param(["client_secret_basic", "private_key_jwt"], "", "client_secret_basic", id="basic"),
        pytest.param(ABSENT, "", "client_secret_basic", id="the-standards-default"),
        pytest.param(["none"], "", "none", id="public"),
        pytest.param(["client_secret_post"], "basic_raw", "client_secret_basic", id="the-operators-word"),
    ],
)
async def test_we_authenticate_as_the_server_lets_us(registrar, idp, supported, token_auth, method):
    """RFC 8414 2."""
    idp.metadata = {"token_endpoint_auth_methods_supported": supported}
    assert (await asked(registrar, pool(idp, token_auth=token_auth)))[1].auth_method == method


async def test_no_way_to_authenticate_is_no_offer(registrar: Registrar, idp: FakeIdp):
    idp.metadata = {"token_endpoint_auth_methods_supported": ["private_key_jwt", "tls_client_auth"]}
    with pytest.raises(RegistrationNotOffered):
        await asked(registrar, pool(idp))


async def test_refresh_tokens_are_not_asked_for_where_there_are_none(registrar: Registrar, idp: FakeIdp):
    idp.metadata = {"grant_types_supported": ["authorization_code"]}
    assert (await asked(registrar, pool(idp)))[1].refresh is False


# Where ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        pytest.param({"registration_endpoint": ABSENT}, RegistrationNotOffered, id="not-offered"),
        pytest.param({"registration_endpoint": "http://idp.example/r"}, UpstreamMalformed, id="plain-http"),
        pytest.param({"registration_endpoint": "javascript:x"}, UpstreamMalformed, id="no-http"),
        pytest.param({"registration_endpoint": ["https://x"]}, UpstreamMalformed, id="no-text"),
        pytest.param({"issuer": "https://evil.example"}, UpstreamMalformed, id="another-issuer"),
        pytest.param({"token_endpoint": "http://evil.example/t"}, UpstreamMalformed, id="another-bad-endpoint"),
    ],
)
async def test_metadata_that_cannot_be_believed_leads_nowhere(registrar, idp, metadata, error):
    """Threat MD-03; RFC 8414 3.3."""
    idp.metadata = metadata
    with pytest.raises(error):
        await registrar.find(pool(idp), ())
    assert idp.seen("register") == []


async def test_only_allowed_servers_are_asked_for_anything(registrar: Registrar, idp: FakeIdp):
    elsewhere = SelfRegistration(allowed_issuers=("https://login.example.com",))
    with pytest.raises(RegistrationNotAllowed):
        await registrar.find(pool(idp, registration=elsewhere), ())
    assert idp.requests == []


async def test_the_mcp_servers_challenge_leads_there_when_the_settings_agree(
    registrar: Registrar, idp: FakeIdp, origin: Origin
):
    """As a client goes: the challenge, the metadata at its address behind Envoy, the first allowed server."""
    origin.challenge = f'Bearer error="x", resource_metadata="https://mcp.example.com{PRM}/odd?x=1"'
    others = ["http://169.254.169.254/", "https://other.example.com", 7, idp.issuer]
    origin.documents = {f"{PRM}/odd": {"resource": "https://mcp.example.com/mcp", "authorization_servers": others}}
    allowed = SelfRegistration(allowed_issuers=(idp.issuer,))
    found = await registrar.find(pool(idp, issuer="", registration=allowed), (server(origin),))
    assert found.issuer == idp.issuer
    assert origin.asked == ["/mcp", f"{PRM}/odd?x=1"]


async def test_without_a_challenge_the_usual_places_are_looked_at(registrar, idp, origin):
    origin.documents = {PRM: {"resource": "http://notes:3000", "authorization_servers": [idp.issuer]}}
    allowed = SelfRegistration(allowed_issuers=(idp.issuer,))
    assert (await registrar.find(pool(idp, issuer="", registration=allowed), (server(origin),))).issuer == idp.issuer


@pytest.mark.parametrize(
    "registration",
    [pytest.param(None, id="nothing-said"), pytest.param(SelfRegistration(("https://x.example",)), id="another")],
)
async def test_what_an_mcp_server_names_is_not_enough(registrar, idp, origin, registration):
    origin.documents = {PRM: {"resource": "http://notes:3000", "authorization_servers": [idp.issuer]}}
    with pytest.raises(RegistrationNotAllowed):
        await registrar.find(pool(idp, issuer="", registration=registration), (server(origin),))
    assert idp.requests == []


@pytest.mark.parametrize(
    "place", ["http://169.254.169.254/latest", "https://evil.example.com/prm", "file:///etc/passwd", "//x", ""]
)
async def test_a_challenge_that_points_elsewhere_is_not_followed(registrar, idp, origin, place, events):
    """Threat: the metadata address is the server's own word, and we sit in a network that it may not see."""
    origin.challenge = f'Bearer resource_metadata="{place}"'
    allowed = SelfRegistration(allowed_issuers=(idp.issuer,))
    with pytest.raises(RegistrationNotOffered):
        await registrar.find(pool(idp, issuer="", registration=allowed), (server(origin),))
    assert origin.asked == ["/mcp", f"{PRM}/mcp", PRM]
    assert {each.provider for each in events} == {"origin"}


# What of an answer is believed ---------------------------------------------------------------------------------------


async def test_a_200_is_taken_for_the_201_that_it_should_be(registrar: Registrar, idp: FakeIdp):
    idp.registrations.status = 200
    assert (await register(registrar, pool(idp))).client_id == "registered-1"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"client_id": None}, id="no-id"),
        pytest.param({"client_id": ""}, id="empty-id"),
        pytest.param({"client_id": "a\nb"}, id="control-character"),
        pytest.param({"client_id": "\u202egpj"}, id="bidi"),
        pytest.param({"client_id": "x" * 1025}, id="long-id"),
        pytest.param({"client_id": 7}, id="id-is-a-number"),
        pytest.param({"client_secret": None}, id="no-secret"),
        pytest.param({"client_secret": "a\r\nb"}, id="secret-with-line-end"),
        pytest.param({"redirect_uris": ["https://evil.example/cb"]}, id="other-redirect"),
        pytest.param({"redirect_uris": [CALLBACK, "https://evil.example/cb"]}, id="one-more-redirect"),
        pytest.param({"redirect_uris": CALLBACK}, id="redirects-no-list"),
        pytest.param({"token_endpoint_auth_method": "private_key_jwt"}, id="private-key-jwt"),
        pytest.param({"token_endpoint_auth_method": ["none"]}, id="method-no-text"),
        pytest.param({"client_secret_expires_at": 1}, id="over-already"),
        pytest.param({"client_secret_expires_at": -1}, id="negative"),
        pytest.param({"client_secret_expires_at": True}, id="no-number"),
    ],
)
async def test_an_answer_that_is_of_no_use_is_refused(registrar: Registrar, idp: FakeIdp, answer):
    idp.registrations.answer = answer
    with pytest.raises(UpstreamMalformed):
        await register(registrar, pool(idp))


@pytest.mark.parametrize("error", ["invalid_redirect_uri", "invalid_client_metadata", "invalid_software_statement",
                                   "unapproved_software_statement", "access_denied"])  # fmt: skip
async def test_each_error_of_the_standard_is_a_definite_no(registrar: Registrar, idp: FakeIdp, error, calls):
    """RFC 7591 3.2.2. Its description stays outside."""
    idp.registrations.refusal = error
    with pytest.raises(RegistrationRefused, match=error):
        await register(registrar, pool(idp))
    assert "secret detail" not in calls[-1].detail


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault(status=201, body="<html>", content_type="text/html"), UpstreamMalformed, id="html"),
        pytest.param(Fault(status=201, body=[]), UpstreamMalformed, id="no-object"),
        pytest.param(Fault(status=201, body=b"x" * 70_000), UpstreamMalformed, id="huge"),
        pytest.param(Fault(redirect="/elsewhere"), UpstreamMalformed, id="redirect"),
        pytest.param(Fault(status=404, body="<html>"), RegistrationRefused, id="not-there"),
        pytest.param(Fault(status=403, body={"error": "a\nb"}), RegistrationRefused, id="odd-code"),
        pytest.param(Fault(status=429), UpstreamUnavailable, id="too-many"),
        pytest.param(Fault(status=503), UpstreamUnavailable, id="down"),
        pytest.param(Fault(drop=True), UpstreamUnknown, id="cut-off"),
    ],
)
async def test_whatever_else_comes_is_sorted_by_what_it_means(registrar, idp, fault, error):
    idp.fail("register", fault)
    with pytest.raises(UpstreamError) as caught:
        await register(registrar, pool(idp))
    assert type(caught.value) is error
    assert idp.seen("elsewhere") == idp.seen("other") == []
    assert "\n" not in str(caught.value)


async def test_a_server_that_does_not_answer_in_time_may_have_registered_us(registrar, idp, raw):
    raw.hold = True
    found, wanted = await asked(registrar, pool(idp))
    with pytest.raises(UpstreamUnknown):
        await registrar.register(pool(idp), replace(found, registration_endpoint=raw.url), wanted)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"registration_client_uri": "https://evil.example/register/registered-1"}, id="another-host"),
        pytest.param({"registration_client_uri": "http://127.0.0.1:1/register/registered-1"}, id="another-port"),
        pytest.param({"registration_client_uri": "/register/registered-1"}, id="relative"),
        pytest.param({"registration_client_uri": None}, id="nowhere"),
        pytest.param({"registration_access_token": "a\r\nb"}, id="token-with-line-end"),
        pytest.param({"registration_access_token": None}, id="no-token"),
    ],
)
async def test_we_are_managed_where_we_registered_or_not_at_all(registrar, idp, changed):
    """RFC 7592 3: a token that goes where an answer says is a token for whoever wrote the answer."""
    idp.registrations.answer = changed
    registered = await register(registrar, pool(idp))
    assert (registered.management_uri, registered.management_token) == ("", "")


async def test_a_method_that_we_have_is_taken_even_if_we_asked_for_another(registrar, idp):
    idp.registrations.answer = {"token_endpoint_auth_method": "none", "client_secret": "unused"}
    registered = await register(registrar, pool(idp))
    assert (registered.auth_method, registered.client_secret) == ("none", "")


# Managing it ---------------------------------------------------------------------------------------------------------


async def test_it_can_be_read_changed_and_deleted(registrar: Registrar, idp: FakeIdp):
    """RFC 7592 2."""
    own = pool(idp)
    found, wanted = await asked(registrar, own)
    known = await registrar.register(own, found, wanted)
    assert await registrar.read(own, known) == known
    wider = replace(wanted, redirect_uris=(CALLBACK, f"{CALLBACK}/2"))
    assert await registrar.update(own, known, wider) == known
    sent = idp.registrations.clients["registered-1"]
    assert sent["redirect_uris"] == [CALLBACK, f"{CALLBACK}/2"]
    await registrar.delete(own, known)
    await registrar.delete(own, known)
    with pytest.raises(RegistrationForgotten):
        await registrar.read(own, known)
    assert [each.method for each in idp.seen("client")] == ["GET", "PUT", "DELETE", "DELETE", "GET"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"client_id": "another"}, id="another-client"),
        pytest.param({"redirect_uris": []}, id="other-redirects"),
        pytest.param({"token_endpoint_auth_method": "private_key_jwt"}, id="another-method"),
    ],
)
async def test_an_update_that_was_not_done_is_seen(registrar, idp, answer):
    own = pool(idp)
    found, wanted = await asked(registrar, own)
    known = await registrar.register(own, found, wanted)
    idp.registrations.answer = answer
    with pytest.raises(UpstreamMalformed):
        await registrar.update(own, known, wanted)


async def test_an_answer_cannot_move_our_management_elsewhere(registrar: Registrar, idp: FakeIdp):
    own = pool(idp)
    known = await register(registrar, own)
    idp.registrations.answer = {"registration_client_uri": "https://evil.example/x", "registration_access_token": "n"}
    assert await registrar.read(own, known) == known
    idp.registrations.answer = {"registration_access_token": "next"}
    assert await registrar.read(own, known) == replace(known, management_token="next")
