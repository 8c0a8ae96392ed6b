"""How challenges and URLs are read: as the standards have them, and as the SDKs take them."""

import pytest

from sidecar.probe.challenge import as_sdks_read, bearer, challenges
from sidecar.probe.places import normal, origin, resource_metadata_urls, server_metadata_urls


@pytest.mark.parametrize(
    ("values", "schemes"),
    [
        pytest.param([], []),
        pytest.param([""], []),
        pytest.param(["Bearer"], ["bearer"]),
        pytest.param(['bearer realm="a, b"'], ["bearer"], id="comma-in-quotes"),
        pytest.param(['Basic realm="x", Bearer scope="y"'], ["basic", "bearer"]),
        pytest.param(["Negotiate abc123==, Bearer"], ["negotiate", "bearer"]),
        pytest.param(["Basic", 'Bearer scope="y"'], ["basic", "bearer"], id="two-headers"),
        pytest.param(["\x00\x01"], []),
    ],
)
def test_challenges_are_told_apart(values, schemes):
    assert [challenge.scheme for challenge in challenges(values)] == schemes


def test_parameters_are_read_with_their_quotes():
    found = bearer(
        challenges([r'Bearer Resource_Metadata="https://a.example/x?y=1,2", error_description="a \"b\"", n=1'])
    )
    assert found is not None
    assert found.get("resource_metadata") == "https://a.example/x?y=1,2"
    assert found.get("error_description") == 'a "b"'
    assert (found.get("n"), found.get("none")) == ("1", "")


@pytest.mark.parametrize("header", ['Bearer scope="a b"', 'Bearer realm="x",scope="a b"'])
def test_sdks_search_the_whole_header(header):
    assert as_sdks_read(header, "scope") == "a b"
    assert as_sdks_read(header, "error") == ""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTPS://Mcp.Example.com:443/mcp", "https://mcp.example.com"),
        ("http://mcp.example.com:8080", "http://mcp.example.com:8080"),
        ("http://[::1]:80/x", "http://[::1]"),
    ],
)
def test_origins(url, expected):
    assert origin(url) == expected


def test_an_empty_path_is_a_slash():
    assert normal("https://Mcp.example.com") == normal("https://mcp.example.com/") == "https://mcp.example.com/"


def test_places_for_a_path_and_for_a_root():
    prm = "/.well-known/oauth-protected-resource"
    assert resource_metadata_urls("https://a.example/mcp/", "https://b.example/x") == (
        "https://b.example/x",
        f"https://a.example{prm}/mcp",
        f"https://a.example{prm}",
    )
    assert resource_metadata_urls("https://a.example", "") == (f"https://a.example{prm}",)
    assert server_metadata_urls("https://a.example/t/") == (
        "https://a.example/.well-known/oauth-authorization-server/t",
        "https://a.example/.well-known/openid-configuration/t",
        "https://a.example/t/.well-known/openid-configuration",
    )
    assert len(server_metadata_urls("https://a.example/")) == 2
