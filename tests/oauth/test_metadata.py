"""Discovery documents (RFC 8414, RFC 9728): allow-list in, nothing of the source that could mislead."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.oauth.assertion import ALGORITHMS
from sidecar.oauth.errors import ServerError
from sidecar.oauth.metadata import Capabilities, authorization_server, protected_resource

_ISS = "https://mcp.example.com"
_RES = "https://mcp.example.com/mcp"
_IDP = "https://login.idp.example"
# What an IdP publishes, and more than any of them does.
_OIDC: Mapping[str, object] = {
    "issuer": _IDP,
    "authorization_endpoint": f"{_IDP}/authorize?tenant=1",
    "token_endpoint": f"{_IDP}/token",
    "registration_endpoint": "https://evil.example/register",
    "userinfo_endpoint": f"{_IDP}/userinfo",
    "introspection_endpoint": f"{_IDP}/introspect",
    "revocation_endpoint": f"{_IDP}/revoke",
    "end_session_endpoint": f"{_IDP}/logout",
    "device_authorization_endpoint": f"{_IDP}/device",
    "pushed_authorization_request_endpoint": f"{_IDP}/par",
    "require_pushed_authorization_requests": True,
    "backchannel_authentication_endpoint": f"{_IDP}/ciba",
    "jwks_uri": f"{_IDP}/jwks",
    "signed_metadata": "e30.e30.",
    "mtls_endpoint_aliases": {"token_endpoint": f"{_IDP}/mtls"},
    "tls_client_certificate_bound_access_tokens": True,
    "dpop_signing_alg_values_supported": ["ES256"],
    "request_parameter_supported": True,
    "request_uri_parameter_supported": True,
    "response_types_supported": ["code", "token", "id_token"],
    "response_modes_supported": ["query", "fragment", "form_post"],
    "grant_types_supported": ["authorization_code", "implicit", "password", "client_credentials"],
    "token_endpoint_auth_methods_supported": ["private_key_jwt", "tls_client_auth"],
    "code_challenge_methods_supported": ["plain", "S256"],
    "subject_types_supported": ["public"],
    "id_token_signing_alg_values_supported": ["RS256"],
    "scopes_supported": ["openid", "offline_access", "admin"],
    "claims_supported": ["sub"],
    "client_id_metadata_document_supported": True,
    "op_policy_uri": f"{_IDP}/policy",
    "op_tos_uri": "https://corp.example/terms",
    "service_documentation": "https://docs.example/",
    "ui_locales_supported": ["de", "en-GB", "<x>", None],
    "foo": None,
    "bar": [],
}


def _values(document: object) -> Iterator[object]:
    if isinstance(document, Mapping):
        for value in document.values():
            yield from _values(value)
    elif isinstance(document, list):
        assert document, "an empty array"
        for value in document:
            yield from _values(value)
    else:
        yield document


@pytest.mark.req(22, 23, 24, 26, 27)
def test_the_whole_document_of_a_root_issuer():
    methods = ["none", "client_secret_post", "client_secret_basic"]
    assert authorization_server(_ISS, Capabilities(scopes=("notes.read",))) == {
        "issuer": _ISS,
        "authorization_endpoint": f"{_ISS}/authorize",
        "token_endpoint": f"{_ISS}/token",
        "registration_endpoint": f"{_ISS}/register",
        "revocation_endpoint": f"{_ISS}/revoke",
        "revocation_endpoint_auth_methods_supported": methods,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": methods,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": ["notes.read"],
    }


@pytest.mark.req(21, 23)
def test_a_path_issuer_has_its_endpoints_below_its_path():
    document = authorization_server(f"{_ISS}/tenant1", Capabilities())
    assert document["issuer"] == f"{_ISS}/tenant1"
    assert document["token_endpoint"] == f"{_ISS}/tenant1/token"


@pytest.mark.req(31, 4)
def test_nothing_of_an_identity_provider_passes():
    ours = authorization_server(_ISS, Capabilities())
    document = authorization_server(_ISS, Capabilities(), _OIDC)
    added = {name: value for name, value in document.items() if name not in ours}
    assert {name: document[name] for name in ours} == ours
    assert added == {
        "op_tos_uri": "https://corp.example/terms",
        "service_documentation": "https://docs.example/",
        "ui_locales_supported": ["de", "en-GB"],
    }
    assert "idp.example" not in str(document)
    assert "evil.example" not in str(document)


def test_the_server_s_own_links_pass_when_it_was_its_own_issuer():
    source = {"issuer": _ISS, "token_endpoint": f"{_ISS}/oauth/token", "service_documentation": f"{_ISS}/docs"}
    document = authorization_server(_ISS, Capabilities(), source)
    assert document["service_documentation"] == f"{_ISS}/docs"
    assert document["token_endpoint"] == f"{_ISS}/token"


@pytest.mark.req(34)
@pytest.mark.parametrize(
    "source",
    [
        pytest.param({"service_documentation": "javascript:alert(1)"}, id="script"),
        pytest.param({"service_documentation": ["https://a.example"]}, id="list for a link"),
        pytest.param({"op_tos_uri": "https://a@b.example/"}, id="userinfo"),
        pytest.param({"op_policy_uri": "https://a.example/" + "x" * 3000}, id="too long"),
        pytest.param({"op_policy_uri": "https://[/", "issuer": "https://["}, id="not parsable"),
        pytest.param({"ui_locales_supported": "de"}, id="string for a list"),
        pytest.param({"ui_locales_supported": []}, id="no locale"),
        pytest.param({"ui_locales_supported": [1, "!"]}, id="no tag"),
        pytest.param({"ui_locales_supported": ["de"] * 1000}, id="many tags"),
        pytest.param({"issuer": None, "x_endpoint": 1}, id="confused types"),
    ],
)
def test_a_display_member_that_is_not_what_it_should_be_is_left_out(source: Mapping[str, object]):
    assert authorization_server(_ISS, Capabilities(), source) == authorization_server(_ISS, Capabilities())


@pytest.mark.req(28)
def test_cimd_is_published_only_when_on_and_beside_none():
    assert "client_id_metadata_document_supported" not in authorization_server(_ISS, Capabilities(cimd=False), _OIDC)
    document = authorization_server(_ISS, Capabilities(cimd=True))
    assert document["client_id_metadata_document_supported"] is True
    assert "none" in document["token_endpoint_auth_methods_supported"]  # type: ignore[operator]


@pytest.mark.req(27, 80)
def test_private_key_jwt_is_published_with_its_algorithms_only_where_clients_have_documents():
    """RFC 8414 2: the algorithms MUST be there with it. It stands last, for clients that take the first they know."""
    without = authorization_server(_ISS, Capabilities(), _OIDC)
    assert "private_key_jwt" not in str(without)
    assert not [name for name in without if "signing_alg" in name]
    document = authorization_server(_ISS, Capabilities(cimd=True), _OIDC)
    for endpoint in ("token_endpoint", "revocation_endpoint"):
        methods = document[f"{endpoint}_auth_methods_supported"]
        assert methods == ["none", "client_secret_post", "client_secret_basic", "private_key_jwt"]
        assert document[f"{endpoint}_auth_signing_alg_values_supported"] == list(ALGORITHMS)
    assert not [
        name for name in authorization_server(_ISS, Capabilities(revocation=False, cimd=True)) if "revo" in name
    ]


@pytest.mark.req(26, 29)
def test_what_is_off_is_not_published():
    document = authorization_server(_ISS, Capabilities(revocation=False, registration=False), _OIDC)
    assert "registration_endpoint" not in document
    assert "revocation_endpoint" not in document
    assert "revocation_endpoint_auth_methods_supported" not in document


@pytest.mark.req(30, 34)
def test_without_scopes_there_is_no_scopes_member():
    assert "scopes_supported" not in authorization_server(_ISS, Capabilities(), _OIDC)


@pytest.mark.req(32)
def test_no_endpoint_has_a_query():
    document = authorization_server(_ISS, Capabilities(cimd=True), _OIDC)
    endpoints = [str(value) for name, value in document.items() if name.endswith("_endpoint")]
    assert len(endpoints) == 4
    assert all(url.startswith(f"{_ISS}/") and "?" not in url for url in endpoints)


def test_a_document_that_would_break_the_standard_is_an_error_of_ours():
    with pytest.raises(ServerError):
        authorization_server("http://mcp.example.com", Capabilities())
    with pytest.raises(ServerError):
        authorization_server("https://mcp.example.com?x", Capabilities())


def test_plain_http_is_for_loopback():
    assert authorization_server("http://127.0.0.1:18080", Capabilities())["issuer"] == "http://127.0.0.1:18080"


@pytest.mark.req(11, 13, 14, 16)
def test_a_resource_without_a_document_of_its_own_gets_one():
    assert protected_resource(_RES, _ISS, ("notes.read",)) == {
        "resource": _RES,
        "authorization_servers": [_ISS],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["notes.read"],
    }


@pytest.mark.req(11, 12)
@pytest.mark.parametrize("resource", [_RES, f"{_RES}/", "https://MCP.example.com:443/mcp?x=1"])
def test_the_resource_is_the_configured_text_byte_for_byte(resource: str):
    document = protected_resource(resource, _ISS, (), {"resource": "https://other.example"})
    assert document["resource"] == resource


@pytest.mark.req(14, 15, 20)
@pytest.mark.parametrize("scopes", [(), ("offline_access",)])
def test_without_base_scopes_there_is_no_scopes_member(scopes: tuple[str, ...]):
    assert "scopes_supported" not in protected_resource(_RES, _ISS, scopes, {"scopes_supported": ["admin"]})
    assert protected_resource(_RES, _ISS, (*scopes, "a"))["scopes_supported"] == ["a"]


@pytest.mark.req(13, 16, 20)
def test_other_members_are_kept_and_misleading_ones_are_not():
    kept = {
        "resource_name": "Notes",
        "resource_name#de": "Notizen",
        "resource_documentation": "https://docs.example/mcp",
        "resource_policy_uri": "https://docs.example/policy",
        "resource_tos_uri": "https://docs.example/tos",
        "authorization_details_types_supported": ["notes"],
        "x_vendor": {"tier": 1, "beta": False, "list": [1, "a"]},
    }
    misleading = {
        "resource": "https://evil.example/mcp",
        "authorization_servers": [_IDP],
        "bearer_methods_supported": ["header", "query"],
        "scopes_supported": ["admin"],
        "jwks_uri": f"{_IDP}/jwks",
        "jwks": {"keys": []},
        "signed_metadata": "e30.e30.",
        "issuer": _IDP,
        "authorization_endpoint": f"{_IDP}/authorize",
        "registration_endpoint": f"{_IDP}/register",
        "dpop_bound_access_tokens_required": True,
        "dpop_signing_alg_values_supported": ["ES256"],
        "tls_client_certificate_bound_access_tokens": True,
        "mtls_endpoint_aliases": {},
        "resource_signing_alg_values_supported": ["RS256"],
        "Authorization_Servers": [_IDP],
    }
    useless = {
        "a": None,
        "b": "",
        "c": [],
        "d": {"e": [None, {}]},
        "resource_logo_uri": "javascript:alert(1)",
        "docs_url": 1,
        "bad name\n": "x",
    }
    document = protected_resource(_RES, _ISS, ("notes.read",), {**misleading, **kept, **useless})
    assert document == {**protected_resource(_RES, _ISS, ("notes.read",)), **kept}


@pytest.mark.req(20)
def test_nulls_and_empty_arrays_are_pruned_at_every_level():
    document = protected_resource(_RES, _ISS, (), {"x": {"a": [None, [], {"b": ""}, {"c": [1, None]}], "d": {}}})
    assert document["x"] == {"a": [{"c": [1]}]}


def test_a_bottomless_member_is_cut():
    deep: object = "x"
    for _ in range(900):
        deep = [deep]
    assert "deep" not in protected_resource(_RES, _ISS, (), {"deep": deep})


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=10), st.just(f"{_IDP}/x")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
_SOURCE = st.dictionaries(st.one_of(st.sampled_from([*_OIDC, "resource_name"]), st.text(max_size=8)), _JSON, max_size=6)


@pytest.mark.req(4, 20, 34)
@given(_SOURCE)
def test_whatever_the_source_is_ours_is_said_and_nothing_is_null_or_empty(source: dict[str, object]):
    ours = authorization_server(_ISS, Capabilities())
    document = authorization_server(_ISS, Capabilities(), source)
    assert {name: document[name] for name in ours} == ours
    resource = protected_resource(_RES, _ISS, (), source)
    assert resource["authorization_servers"] == [_ISS]
    assert all(value is not None and value != "" for value in (*_values(document), *_values(resource)))


@given(_SOURCE)
def test_rewriting_twice_changes_nothing(source: dict[str, object]):
    document = protected_resource(_RES, _ISS, ("a",), source)
    assert protected_resource(_RES, _ISS, ("a",), document) == document
    metadata = authorization_server(_ISS, Capabilities(), source)
    assert authorization_server(_ISS, Capabilities(), metadata) == metadata
