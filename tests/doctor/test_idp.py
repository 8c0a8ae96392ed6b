"""A pool's IdP, asked for real: each fault that it can have is found, by what it answers and without a user."""

import time
from email.utils import formatdate

import pytest

from sidecar.clock import system_clock, system_entropy
from sidecar.doctor.idp import judge_credentials, judge_date, judge_sign_in
from sidecar.doctor.look_at_idp import look
from sidecar.doctor.seen import Reply
from sidecar.pools.standing import RegistrationStatus
from sidecar.records import UpstreamCredentials
from sidecar.upstream.quirks import preset
from tests.doctor.deployed import CALLBACK, wrong
from tests.fakes.idp import ABSENT, FakeIdp, Fault
from tests.upstream.certificates import private_tls

LOGIN_PAGE = Fault(status=200, body="<p>Enter the redirect URI? not here. Password:</p>", content_type="text/html")


KNOWN = "upstream-client"
FORGOTTEN = ["idp-forgotten", "idp-callback"]


def fails(**faults):
    def change(idp):
        for endpoint, fault in faults.items():
            idp.fail(endpoint, fault)

    return change


def says(**members):
    return lambda idp: idp.metadata.update(members)


def page(status, text):
    return fails(authorize=Fault(status=status, body=text, content_type="text/html"))


def own(state, client_id=""):
    return {"client_id": client_id, "own": RegistrationStatus(state, "why it is so", "https://idp.example", client_id)}


CASES = [
    pytest.param(lambda idp: None, {}, [], id="right"),
    pytest.param(lambda idp: None, {"provider": "nobody"}, ["idp-settings"], id="no-such-preset"),
    pytest.param(
        says(token_endpoint_auth_methods_supported=["private_key_jwt"]), {}, ["idp-settings"], id="takes-no-secret"
    ),
    pytest.param(fails(discovery=Fault(drop=True)), {}, ["idp-unreachable"], id="cut"),
    pytest.param(lambda idp: None, {"issuer": "http://127.0.0.1:1"}, ["idp-unreachable"], id="refused"),
    pytest.param(lambda idp: None, {"proxy": "http://127.0.0.1:1"}, ["idp-unreachable"], id="no-proxy"),
    pytest.param(lambda idp: None, {"ca": "nothing"}, ["idp-untrusted"], id="no-ca"),
    pytest.param(fails(discovery=Fault(status=404)), {}, ["idp-no-document"], id="no-document"),
    pytest.param(says(issuer="https://elsewhere.example"), {}, ["idp-issuer"], id="other-issuer"),
    pytest.param(fails(discovery=Fault(status=200, body="<html>")), {}, ["idp-document"], id="a-page"),
    pytest.param(fails(discovery=Fault(status=503)), {}, ["idp-document"], id="document-503"),
    pytest.param(fails(discovery=Fault(redirect="http://127.0.0.1:1/")), {}, ["idp-document"], id="redirect"),
    pytest.param(fails(jwks=Fault(status=500)), {}, ["idp-keys"], id="keys-500"),
    pytest.param(fails(jwks=Fault(drop=True)), {}, ["idp-keys"], id="keys-cut"),
    pytest.param(fails(jwks=Fault(status=200, body={"keys": []})), {}, ["idp-keys"], id="no-keys"),
    pytest.param(says(code_challenge_methods_supported=["plain"]), {}, ["idp-no-pkce"], id="plain"),
    pytest.param(says(code_challenge_methods_supported=ABSENT), {}, ["idp-no-pkce"], id="no-word-of-pkce"),
    pytest.param(lambda idp: None, {"client_secret": "over"}, ["idp-credentials"], id="secret"),
    pytest.param(fails(token=Fault(status=503)), {}, ["idp-credentials-unclear"], id="token-503"),
    pytest.param(fails(token=Fault(status=200, body={"access_token": "x"})), {}, ["idp-credentials-unclear"], id="odd"),
    pytest.param(fails(token=Fault(drop=True)), {}, ["idp-unreachable"], id="token-cut"),
    pytest.param(lambda idp: None, {"post": False}, ["idp-credentials-untried"], id="not-tried"),
    pytest.param(lambda idp: None, {"client_id": ""}, ["idp-self-registered"], id="registers-itself"),
    pytest.param(lambda idp: None, own("registered", KNOWN), [], id="registered"),
    pytest.param(lambda idp: None, own("refused", KNOWN), ["idp-self-registered"], id="change-refused"),
    pytest.param(lambda idp: None, own("registered", "deleted"), FORGOTTEN, id="registered-and-forgotten"),
    pytest.param(lambda idp: None, own("waiting"), ["idp-self-registered"], id="not-registered-yet"),
    pytest.param(lambda idp: None, own("unavailable"), ["idp-self-registered"], id="registration-unavailable"),
    pytest.param(lambda idp: None, own("not_offered"), ["idp-not-registered"], id="takes-no-registrations"),
    pytest.param(lambda idp: None, own("refused"), ["idp-not-registered"], id="registration-refused"),
    pytest.param(lambda idp: None, {"client_secret": ""}, [], id="public-client"),
    pytest.param(page(400, "Invalid parameter: redirect_uri"), {}, ["idp-callback"], id="keycloak"),
    pytest.param(page(400, "AADSTS50011: The redirect URI"), {}, ["idp-callback"], id="entra"),
    pytest.param(page(400, "Unknown client"), {}, ["idp-sign-in"], id="400"),
    pytest.param(lambda idp: setattr(idp, "deny", "invalid_scope"), {}, ["idp-sign-in"], id="scope"),
    pytest.param(fails(authorize=Fault(drop=True)), {}, ["idp-callback-unclear"], id="authorize-cut"),
    pytest.param(fails(authorize=LOGIN_PAGE), {}, [], id="a-sign-in-page-that-speaks-of-redirects"),
]


async def looked(idp, *, post=True, own=None, **pool):
    return await look(idp.pool(**pool), [CALLBACK], clock=system_clock, entropy=system_entropy, post=post, own=own)


@pytest.mark.parametrize(("change", "pool", "ids"), CASES)
async def test_each_fault_of_an_idp_is_found_and_nothing_else(change, pool, ids):
    async with FakeIdp.running() as idp:
        change(idp)
        assert wrong(await looked(idp, **pool)) == ids


@pytest.mark.parametrize(
    ("former", "ids"),
    [
        pytest.param(UpstreamCredentials("known", "its secret"), [], id="known"),
        pytest.param(UpstreamCredentials("known", "wrong"), ["idp-former"], id="wrong-secret"),
        pytest.param(UpstreamCredentials("deleted", "its secret"), ["idp-former"], id="deleted"),
        pytest.param(UpstreamCredentials("deleted", "its secret", until=1), [], id="past-its-time"),
        pytest.param(UpstreamCredentials("upstream-client", "over"), [], id="former-secret-of-the-present-client"),
    ],
)
async def test_a_former_client_that_the_idp_does_not_take_is_found(former, ids):
    async with FakeIdp.running(accepts={"known": ("its secret",)}) as idp:
        assert wrong(await looked(idp, former=(former,))) == ids


@pytest.mark.parametrize("pool", [{"client_id": ""}, own("refused"), own("waiting")])
async def test_what_to_enter_by_hand_is_told_with_a_pool_that_has_not_registered(pool):
    async with FakeIdp.running() as idp:
        text = (await looked(idp, **pool))[-1].text
        assert CALLBACK in text
        assert "scopes openid email offline_access" in text


async def test_nothing_is_posted_when_that_is_not_wished():
    async with FakeIdp.running() as idp:
        former = (UpstreamCredentials("deleted", "its secret"),)
        assert wrong(await looked(idp, post=False, former=former)) == ["idp-credentials-untried"]
        assert {seen.method for seen in idp.requests} == {"GET"}


async def test_one_token_request_with_a_code_of_nobodys_is_all_that_is_posted():
    async with FakeIdp.running() as idp:
        await looked(idp)
        posts = [seen for seen in idp.requests if seen.method == "POST"]
        assert [seen.endpoint for seen in posts] == ["token"]
        assert posts[0].form["code"].startswith("doctor.")
        assert posts[0].form["redirect_uri"] == CALLBACK
        assert idp.sessions == []


async def test_no_finding_holds_the_secret_whatever_the_idp_says():
    async with FakeIdp.running() as idp:
        echo = {"error": "invalid_client", "error_description": idp.client_secret}
        idp.fail("token", Fault(status=401, body=echo))
        idp.fail("authorize", Fault(status=400, body=f"redirect_uri invalid {idp.client_secret}"))
        told = await looked(idp)
        assert wrong(told) == ["idp-credentials", "idp-callback"]
        assert idp.client_secret not in repr(told)


async def test_a_certificate_of_an_unknown_ca_is_told_apart_from_a_network_that_is_down(tmp_path):
    tls, ca_file = private_tls(tmp_path)
    async with FakeIdp.running(tls=tls) as idp:
        assert wrong(await looked(idp)) == ["idp-untrusted"]
        assert wrong(await looked(idp, ca=ca_file.read_text())) == []


async def test_explicit_endpoints_need_no_document():
    async with FakeIdp.running(oidc=False) as idp:
        ends = {f"{name}_endpoint": idp.at(path) for name, path in (("authorization", "authorize"), ("token", "token"))}
        pool = {**ends, "issuer": "", "userinfo_endpoint": idp.at("userinfo")}
        told = await looked(idp, **pool)
        assert wrong(told) == []
        assert [seen.endpoint for seen in idp.requests if seen.endpoint == "discovery"] == []


GOOGLE = "https://accounts.google.com/signin/oauth/error?authError=ChVyZWRpcmVjdF91cmlfbWlzbWF0Y2g&flowName=General"
PAGES = [
    pytest.param(302, GOOGLE, "idp-callback", id="google-packs-its-error"),
    pytest.param(302, "https://idp.example/error?error_description=Invalid+redirect_uri", "idp-callback", id="query"),
    pytest.param(302, "https://idp.example/login?next=/authorize%3Fredirect_uri%3Dx", "idp-ok", id="login"),
    pytest.param(302, f"{CALLBACK}?error=invalid_scope&state=x", "idp-sign-in", id="error-to-us"),
    pytest.param(302, f"{CALLBACK}?code=x", "idp-ok", id="code-to-us"),
]


@pytest.mark.parametrize(("status", "location", "id_"), PAGES)
async def test_redirects_of_the_authorization_endpoint_are_read(status, location, id_):
    async with FakeIdp.running() as idp:
        assert judge_sign_in(Reply(status, {"location": location}), CALLBACK, idp.pool()).id == id_


CLOCKS = [
    pytest.param(0, [], id="right"),
    pytest.param(20, ["idp-clock"], id="behind"),
    pytest.param(-20, ["idp-clock"], id="ahead"),
    pytest.param(-300, ["idp-clock-wrong"], id="id-tokens-refused"),
]


@pytest.mark.parametrize(("ahead", "ids"), CLOCKS)
async def test_the_idps_clock_is_read_from_its_date(ahead, ids):
    async with FakeIdp.running() as idp:
        now = int(time.time())
        reply = Reply(200, {"date": formatdate(now + ahead, usegmt=True)})
        assert wrong(judge_date(reply, idp.pool(), now=now)) == ids
        assert wrong(judge_date(Reply(200, {"date": "soon"}), idp.pool(), now=now)) == []


async def test_a_provider_that_answers_200_for_a_wrong_secret_is_read_by_its_own_ways():
    async with FakeIdp.running() as idp:
        quirks = preset("github")
        for code, id_ in (("bad_verification_code", "idp-ok"), ("incorrect_client_credentials", "idp-credentials")):
            reply = Reply(200, {"content-type": "application/json"}, b'{"error": "%s"}' % code.encode())
            assert judge_credentials(reply, idp.pool(), quirks).id == id_
