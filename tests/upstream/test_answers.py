"""How a provider's answers are judged: literals in, value or error out."""

import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.upstream.answers import (
    LONGEST_LIFETIME,
    LONGEST_WAIT,
    Answer,
    judge_document,
    judge_json,
    judge_object,
    judge_revocation,
    judge_token,
    lifetime,
)
from sidecar.upstream.base import (
    UpstreamClientRefused,
    UpstreamError,
    UpstreamMalformed,
    UpstreamMisconfigured,
    UpstreamRefused,
    UpstreamUnavailable,
)
from sidecar.upstream.quirks import Quirks, preset

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def ok(**members: object) -> Answer:
    return Answer(200, JSON, orjson.dumps({"access_token": "at", "token_type": "Bearer"} | members))


def test_a_plain_answer():
    found = judge_token(ok(expires_in=60, refresh_token="rt", scope="a b", id_token="x.y.z"), Quirks())
    assert (found.access_token, found.refresh_token, found.id_token) == ("at", "rt", "x.y.z")
    assert (found.lifetime, found.scopes) == (60, ("a", "b"))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(200, FORM, b"access_token=at&scope=a%2Cb&token_type=bearer"), id="form"),
        pytest.param(Answer(200, "text/plain", b"access_token=at&scope=a%2Cb&token_type=bearer"), id="form-as-text"),
        pytest.param(
            Answer(200, JSON, b'\xef\xbb\xbf{"access_token":"at","token_type":"bearer","scope":"a,b"}'), id="bom"
        ),
        pytest.param(
            Answer(200, "text/html", b'{"access_token":"at","token_type":"bearer","scope":"a,b"}'), id="mislabelled"
        ),
        pytest.param(Answer(200, JSON, b'{"access_token":"at","scope":["a","b",1]}'), id="list-and-no-type"),
    ],
)
def test_unusual_shapes_are_read(answer: Answer):
    found = judge_token(answer, preset("github"))
    assert (found.access_token, found.scopes) == ("at", ("a", "b"))


@pytest.mark.parametrize("scope", ["", None, 3, "   "])
def test_a_scope_that_says_nothing_means_as_asked(scope):
    assert judge_token(ok(scope=scope), Quirks()).scopes is None


@pytest.mark.req(117)
@pytest.mark.parametrize(
    ("status", "body", "provider", "expected"),
    [
        pytest.param(400, {"error": "invalid_grant"}, "oidc", UpstreamRefused, id="invalid_grant"),
        pytest.param(403, {"error": "invalid_grant"}, "oidc", UpstreamRefused, id="atlassian"),
        pytest.param(200, {"error": "bad_refresh_token"}, "github-app", UpstreamRefused, id="github-refresh"),
        pytest.param(200, {"error": "bad_verification_code"}, "github", UpstreamRefused, id="github-code"),
        pytest.param(200, {"error": "bad_refresh_token"}, "oidc", UpstreamMalformed, id="githubs-word-elsewhere"),
        pytest.param(400, {"error": "interaction_required"}, "entra", UpstreamRefused, id="entra-interaction"),
        pytest.param(401, {"error": "invalid_client"}, "oidc", UpstreamClientRefused, id="invalid_client"),
        pytest.param(400, {"error": "unauthorized_client"}, "oidc", UpstreamMisconfigured, id="unauthorized_client"),
        pytest.param(400, {"error": "invalid_scope"}, "oidc", UpstreamMisconfigured, id="invalid_scope"),
        pytest.param(200, {"error": "incorrect_client_credentials"}, "github", UpstreamClientRefused, id="github-id"),
        pytest.param(400, {"error": "temporarily_unavailable"}, "oidc", UpstreamUnavailable, id="temporary"),
        pytest.param(500, {"error": "invalid_grant"}, "oidc", UpstreamUnavailable, id="500"),
        pytest.param(502, "<html>", "oidc", UpstreamUnavailable, id="502"),
        pytest.param(429, {}, "oidc", UpstreamUnavailable, id="429"),
        pytest.param(400, {"error": "invalid_request"}, "oidc", UpstreamMalformed, id="invalid_request"),
        pytest.param(400, {"error": "something new"}, "oidc", UpstreamMalformed, id="unreadable-code"),
        pytest.param(400, {"error": {"code": 1}}, "oidc", UpstreamMalformed, id="nested"),
        pytest.param(403, "<html>blocked</html>", "oidc", UpstreamMalformed, id="firewall"),
        pytest.param(404, {}, "oidc", UpstreamMalformed, id="404"),
        pytest.param(302, {}, "oidc", UpstreamMalformed, id="redirect"),
        pytest.param(200, "<html>", "oidc", UpstreamMalformed, id="html"),
        pytest.param(200, [], "oidc", UpstreamMalformed, id="list"),
        pytest.param(200, {}, "oidc", UpstreamMalformed, id="no-token"),
    ],
)
def test_failures_are_classified_by_the_body(status, body, provider, expected):
    raw = body.encode() if isinstance(body, str) else orjson.dumps(body)
    with pytest.raises(UpstreamError) as caught:
        judge_token(Answer(status, JSON, raw), preset(provider))
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"access_token": ""}, id="empty"),
        pytest.param({"access_token": None}, id="null"),
        pytest.param({"access_token": 7}, id="number"),
        pytest.param({"access_token": "a\r\nx-admin: 1"}, id="header-injection"),
        pytest.param({"access_token": "a b"}, id="space"),
        pytest.param({"access_token": "ä"}, id="not-ascii"),
        pytest.param({"access_token": "a" * 40_000}, id="too-long"),
        pytest.param({"refresh_token": {"t": 1}}, id="refresh-object"),
        pytest.param({"token_type": "mac"}, id="mac"),
        pytest.param({"token_type": "DPoP"}, id="dpop"),
        pytest.param({"token_type": None}, id="null-type"),
    ],
)
def test_a_token_that_cannot_be_used_is_refused(members):
    with pytest.raises(UpstreamMalformed):
        judge_token(ok(**members), Quirks())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(3600, 3600, id="int"),
        pytest.param("3600", 3600, id="string"),
        pytest.param(3599.9, 3599, id="float"),
        pytest.param(1e12, LONGEST_LIFETIME, id="huge"),
        pytest.param("9" * 18, LONGEST_LIFETIME, id="huge-string"),
        pytest.param(None, 77, id="missing"),
        pytest.param(0, 77, id="zero"),
        pytest.param(-1, 77, id="negative"),
        pytest.param("9" * 5000, 77, id="endless-string"),
        pytest.param("soon", 77, id="word"),
        pytest.param("٣٦٠٠", 77, id="other-digits"),
        pytest.param(True, 77, id="bool"),
        pytest.param([3600], 77, id="list"),
        pytest.param(float("nan"), 77, id="nan"),
    ],
)
def test_expires_in_is_bounded_and_nonsense_says_nothing(value, expected):
    assert lifetime(value, Quirks(access_lifetime=77)) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7),
        ("0", 1),
        ("99999999", LONGEST_WAIT),
        ("", 5),
        ("-1", 5),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 5),
        ("9" * 99, 5),
    ],
)
def test_retry_after_is_bounded(header, expected):
    with pytest.raises(UpstreamUnavailable) as caught:
        judge_token(Answer(503, JSON, b"", header), Quirks())
    assert caught.value.retry_after == expected


@pytest.mark.req(117)
def test_a_providers_words_stay_out_of_the_error():
    """Only the code, and where the preset knows a pattern the provider's own number."""
    body = {"error": "invalid_grant", "error_description": "AADSTS70000: token 0.secret is dead <script>"}
    for provider, expected in (
        ("oidc", "invalid_grant (status 400)"),
        ("entra", "invalid_grant (status 400, AADSTS70000)"),
    ):
        with pytest.raises(UpstreamRefused) as caught:
            judge_token(Answer(400, JSON, orjson.dumps(body)), preset(provider))
        assert str(caught.value) == expected


def test_an_unreadable_body_is_not_kept_in_the_error():
    with pytest.raises(UpstreamMalformed) as caught:
        judge_token(Answer(200, JSON, b'{"access_token": "secret-at"'), Quirks())
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@given(st.integers(100, 999), st.sampled_from([JSON, FORM, "text/plain", ""]), st.binary(max_size=200))
def test_no_answer_raises_anything_but_an_upstream_error(status, content_type, body):
    for judge in (judge_token, judge_revocation):
        with contextlib.suppress(UpstreamError):
            judge(Answer(status, content_type, body), Quirks())
    for document in (judge_json, judge_object, judge_document):
        with contextlib.suppress(UpstreamError):
            document(Answer(status, content_type, body))


def test_deep_json_is_an_error_not_a_crash():
    with pytest.raises(UpstreamMalformed):
        judge_token(Answer(200, JSON, b"[" * 100_000), Quirks())


@pytest.mark.parametrize("answer", [Answer(200), Answer(204), Answer(400, JSON, b'{"error":"unsupported_token_type"}')])
def test_a_revocation_that_was_taken(answer: Answer):
    """RFC 7009 2.2."""
    judge_revocation(answer, Quirks())


def test_a_document_that_is_not_there_is_none():
    assert judge_document(Answer(404, "text/html", b"no")) is None
    with pytest.raises(UpstreamUnavailable):
        judge_document(Answer(429))


def test_a_user_api_that_limits_us_is_unavailable():
    with pytest.raises(UpstreamUnavailable):
        judge_json(Answer(403, JSON, b"{}", "60"))
    with pytest.raises(UpstreamMalformed):
        judge_json(Answer(403, JSON, b"{}"))
