"""Registry entries as rows, and what looks the same as one row: a program registers on each machine, and again."""

from collections.abc import Iterable, Sequence

from sidecar.admin.views import ClientRow
from sidecar.oauth.uris import parse
from sidecar.records import ClientKind
from sidecar.store.registry import Registration


def row(entry: Registration, pool: str, kind: ClientKind) -> ClientRow:
    uris = entry.metadata.get("redirect_uris", ())
    return ClientRow(
        client=entry.client_id,
        kind=kind.value,
        pool=pool,
        name=str(entry.metadata.get("client_name", "")),
        redirect_uris=tuple(str(uri) for uri in uris) if isinstance(uris, list) else (),
        auth_method=str(entry.metadata.get("token_endpoint_auth_method", "")),
        count=1,
        first_registered_at=entry.created_at,
        last_registered_at=entry.created_at,
        last_used_at=entry.last_used_at,
    )


def grouped(rows: Iterable[ClientRow]) -> list[ClientRow]:
    """One row for all of the same name, kind, authentication and redirect URIs; whichever was used last comes first."""
    found: dict[tuple[object, ...], ClientRow] = {}
    for each in rows:
        key = likeness(each)
        found[key] = merged(found[key], each) if key in found else each
    return sorted(found.values(), key=lambda each: -each.last_used_at)


def likeness(each: ClientRow) -> tuple[object, ...]:
    """Programs listen on any port of the loopback interface (RFC 8252 7.3), so that port says nothing."""
    return each.pool, each.kind, each.name, each.auth_method, _portless(each.redirect_uris)


def merged(one: ClientRow, other: ClientRow) -> ClientRow:
    latest = max(one, other, key=lambda each: each.last_used_at)
    return latest.model_copy(
        update={
            "count": one.count + other.count,
            "first_registered_at": min(one.first_registered_at, other.first_registered_at),
            "last_registered_at": max(one.last_registered_at, other.last_registered_at),
        }
    )


def _portless(uris: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({_without_port(uri) for uri in uris}))


def _without_port(uri: str) -> str:
    parsed = parse(uri)
    return f"{parsed.scheme}://{parsed.host}{parsed.rest}" if parsed is not None and parsed.loopback else uri
