"""The `WWW-Authenticate: Bearer` value (RFC 6750 3, RFC 9728 5.1)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.oauth.challenge import bearer_challenge

_PRM = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
_PARAMETER = re.compile(r'([a-z_]+)="([^"\\]*)"')


def _parsed(challenge: str) -> dict[str, str]:
    scheme, _, rest = challenge.partition(" ")
    assert scheme == "Bearer"
    found = _PARAMETER.findall(rest)
    assert ", ".join(f'{name}="{value}"' for name, value in found) == rest
    return dict(found)


@pytest.mark.req(169)
def test_without_a_token_it_names_the_metadata_and_the_scope_and_no_error():
    challenge = bearer_challenge(resource_metadata=_PRM, scope=("notes.read", "notes.list"))
    assert challenge == f'Bearer resource_metadata="{_PRM}", scope="notes.read notes.list"'


@pytest.mark.req(170)
def test_a_bad_token_is_told_beside_the_same_members():
    members = _parsed(
        bearer_challenge(resource_metadata=_PRM, scope=("notes.read",), error="invalid_token", description="Expired.")
    )
    assert members == {
        "resource_metadata": _PRM,
        "error": "invalid_token",
        "error_description": "Expired.",
        "scope": "notes.read",
    }


@pytest.mark.req(174)
def test_insufficient_scope_names_all_that_is_needed_and_repeats_itself():
    challenges = {
        bearer_challenge(resource_metadata=_PRM, scope=("b", "a"), error="insufficient_scope") for _ in range(3)
    }
    assert [_parsed(challenge)["scope"] for challenge in challenges] == ["b a"]


@pytest.mark.req(14)
def test_without_scopes_there_is_no_scope_member():
    assert bearer_challenge(resource_metadata=_PRM) == f'Bearer resource_metadata="{_PRM}"'


@pytest.mark.req(15)
def test_offline_access_is_never_challenged():
    assert _parsed(bearer_challenge(resource_metadata=_PRM, scope=("a", "offline_access")))["scope"] == "a"
    assert "scope" not in _parsed(bearer_challenge(resource_metadata=_PRM, scope=("offline_access",)))


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("api://notes/read", id="URI"),
        pytest.param("urn:a=b", id="equals sign"),
        pytest.param("https://graph.example.com/.default", id="URL"),
    ],
)
def test_scopes_of_identity_providers_pass_whole(scope: str):
    assert _parsed(bearer_challenge(resource_metadata=_PRM, scope=(scope,)))["scope"] == scope


@pytest.mark.req(177)
@given(
    st.text(max_size=40),
    st.lists(st.text(max_size=20), max_size=4),
    st.one_of(st.none(), st.text(max_size=20)),
    st.one_of(st.text(max_size=60), st.just('a scope="x", error="y", resource_metadata="https://evil.example" \r\n z')),
)
def test_no_value_can_end_its_quotes_or_look_like_another_parameter(
    url: str, scope: list[str], error: str | None, description: str
):
    url = url.encode(errors="replace").decode()
    challenge = bearer_challenge(resource_metadata=_PRM + url, scope=scope, error=error, description=description)
    members = _parsed(challenge)
    assert challenge.isascii()
    assert challenge.isprintable()
    assert not re.search(r"scope=|error=|resource_metadata=", members.get("error_description", ""))
