"""Checks of the URLs in metadata and challenge: right scheme, right kind of host, nothing that breaks requests."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from sidecar.probe.checks.base import Check, Fault
from sidecar.probe.places import is_loopback, is_plain_http, is_private, is_url
from sidecar.probe.seen import Members, Seen

_USED = ("resource", "issuer", "authorization_endpoint", "token_endpoint", "registration_endpoint")


def _named(seen: Seen) -> Iterator[tuple[str, str, str, bool]]:
    """(where it stands, what it is called, the URL, aside)."""
    if seen.refused is not None and is_url(seen.challenged_url):
        yield seen.refused.where, "resource_metadata", seen.challenged_url, False
    for kind, answer, members in seen.documents():
        used = seen.resource.used if kind == "resource" else seen.server and seen.server.used
        for name, url in _urls(members):
            yield answer.url, name, url, answer is not used


def _urls(members: Members) -> Iterator[tuple[str, str]]:
    for name in _USED:
        if is_url(members.get(name)):
            yield name, members[name]
    listed = members.get("authorization_servers")
    for url in listed if isinstance(listed, list) else []:
        if is_url(url):
            yield "authorization_servers", url


def _http(seen: Seen) -> Iterator[Fault]:
    if is_plain_http(seen.url):
        return
    for where, name, url, aside in _named(seen):
        if is_plain_http(url):
            yield Fault(where, f"`{name}` is {url}, though the server is on https", aside)


def _http_endpoint(seen: Seen) -> Iterator[Fault]:
    """Where the server itself is on http; RFC 6749 3.1.2.1 and 3.2 want TLS all the same."""
    if not is_plain_http(seen.url):
        return
    for where, name, url, aside in _named(seen):
        if name.endswith("_endpoint") and is_plain_http(url) and not is_loopback(url):
            yield Fault(where, f"`{name}` is {url}", aside)


def _private(seen: Seen) -> Iterator[Fault]:
    if is_private(seen.url):
        return
    for where, name, url, aside in _named(seen):
        if is_private(url):
            yield Fault(where, f"`{name}` is {url}, a host that clients outside cannot reach", aside)


def _query(seen: Seen) -> Iterator[Fault]:
    for where, name, url, aside in _named(seen):
        if name == "authorization_endpoint" and "?" in url:
            yield Fault(where, f"`{name}` has a query, and the Python SDK appends a second `?`", aside)


def _fragment(seen: Seen) -> Iterator[Fault]:
    for where, name, url, aside in _named(seen):
        if urlsplit(url).fragment:
            yield Fault(where, f"`{name}` has a fragment", aside)


CHECKS = (
    Check(
        "http-behind-https",
        "error",
        _http,
        "Configure the public https URL; behind a proxy that ends TLS the server sees http and must not copy it.",
        stops=True,
    ),
    Check("http-endpoint", "error", _http_endpoint, "Endpoints that take secrets need https."),
    Check(
        "private-host",
        "error",
        _private,
        "Configure the public URL; do not build it from what the server sees behind its proxy.",
        stops=True,
    ),
    Check("endpoint-query", "warning", _query, "Use an authorization endpoint without a query."),
    Check("url-fragment", "error", _fragment, "No URL of these may have a fragment (RFC 6749 3.1, RFC 9728 2)."),
)
