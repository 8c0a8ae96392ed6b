"""Records to and from what the store keeps. Owns the encoding of every value; opens nothing that is sealed.

What a script compares stands in a field of its own; the rest of an immutable record is one JSON document.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import orjson

from sidecar.records import Grant, Identity
from sidecar.store.base import (
    Access,
    AccessView,
    GrantState,
    Issued,
    NewGrant,
    Refresh,
    SealedUpstream,
)
from sidecar.store.codec import SCHEMA, F, access_field
from sidecar.store.initial_access import InitialAccessToken
from sidecar.store.listing import OfClient, OfPool, OfUser, Sweep
from sidecar.store.pools import PoolRecord, PoolRecords
from sidecar.store.registry import Registration

Fields = Mapping[str, bytes]
Pairs = list[str | bytes | int]

_ACCESS = struct.Struct(">BQH")  # format, expires_at, length of the wrap; then the wrap, then scopes
_ACCESS_FORMAT = 1
# The Lua scripts compare these, so they are fields; the others make the document.
_IN_FIELDS = {
    "client_id": F.CLIENT,
    "redirect_uri": F.REDIRECT,
    "resource": F.RESOURCE,
    "code_challenge": F.CHALLENGE,
}
_IN_DOCUMENT = tuple(field.name for field in fields(Grant) if field.name not in {"id", *_IN_FIELDS})
_SINCE = frozenset({"upstream_client"})
"""Members that older records of this schema lack; the record's default says what that means."""
_IDENTITY = tuple(field.name for field in fields(Identity))
_GRANT_FIELDS = (F.SCHEMA, F.VERSION, F.DOCUMENT, *_IN_FIELDS.values())
_UPSTREAM_FIELDS = (F.UPSTREAM, F.UPSTREAM_END, F.UPSTREAM_REFRESHABLE, F.UPSTREAM_SERIAL, F.UPSTREAM_REFUSED)
_VIEW_FIELDS = (*_GRANT_FIELDS, *_UPSTREAM_FIELDS)
_WHOSE = {kind.__name__: kind for kind in (OfClient, OfUser, OfPool)}

P = ParamSpec("P")
R = TypeVar("R")


class Unreadable(Exception):
    """A record that this version cannot read: another schema, or damaged. `reason` is from a fixed set."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _reads(kind: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Whatever damaged bytes make a decoder raise becomes Unreadable."""

    def decorate(decode: Callable[P, R]) -> Callable[P, R]:
        @wraps(decode)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return decode(*args, **kwargs)
            except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
                raise Unreadable(f"{kind}_record") from error

        return guarded

    return decorate


def pack_access(access: Access) -> bytes:
    head = _ACCESS.pack(_ACCESS_FORMAT, access.expires_at, len(access.wrap))
    return head + access.wrap + " ".join(access.scopes).encode()


def unpack_access(packed: bytes) -> Access:
    kind, expires_at, length = _ACCESS.unpack_from(packed)
    wrap = packed[_ACCESS.size : _ACCESS.size + length]
    if kind != _ACCESS_FORMAT or len(wrap) != length:
        raise ValueError("not an access token's part")
    return Access(expires_at, wrap, tuple(packed[_ACCESS.size + length :].decode().split()))


def grant_pairs(new: NewGrant) -> Pairs:
    """The fields that creation writes; its script adds the code's end."""
    grant = new.grant
    pairs: Pairs = [F.SCHEMA, SCHEMA, F.VERSION, 1, F.CODE_WRAP, new.code_wrap]
    pairs += [F.DOCUMENT, orjson.dumps({name: getattr(grant, name) for name in _IN_DOCUMENT})]
    for name, field in _IN_FIELDS.items():
        pairs += [field, getattr(grant, name)]
    return pairs + upstream_pairs(new.upstream)


def upstream_pairs(upstream: SealedUpstream) -> Pairs:
    return [
        *(F.UPSTREAM, upstream.sealed),
        *(F.UPSTREAM_END, upstream.expires_at),
        *(F.UPSTREAM_REFRESHABLE, int(upstream.refreshable)),
        *(F.UPSTREAM_SERIAL, upstream.serial),
    ]


def issued_pairs(issued: Issued) -> Pairs:
    pairs: Pairs = [access_field(issued.generation), pack_access(issued.access)]
    if issued.refresh is not None:
        pairs += [F.REFRESH_GENERATION, issued.refresh.generation]
        pairs += [F.REFRESH_END, issued.refresh.expires_at, F.REFRESH_WRAP, issued.refresh.wrap]
    return pairs


def view_fields(generation: int) -> tuple[str, ...]:
    """What `peek` asks for; `read_view` takes the answer in this order."""
    return (*_VIEW_FIELDS, access_field(generation))


@_reads("grant")
def read_view(grant_id: str, values: Sequence[bytes | None]) -> AccessView | None:
    stored = {name: value for name, value in zip(_VIEW_FIELDS, values, strict=False) if value is not None}
    access = values[len(_VIEW_FIELDS)]
    if access is None or not stored:
        return None
    _check_schema("grant", stored)
    return AccessView(
        grant=_grant(grant_id, stored),
        version=int(stored[F.VERSION]),
        access=unpack_access(access),
        upstream=_upstream(stored),
    )


@_reads("grant")
def read_state(grant_id: str, answer: Mapping[bytes, bytes]) -> GrantState | None:
    if not answer:
        return None
    stored = _named(answer)
    _check_schema("grant", stored)
    start = len(F.ACCESS)
    return GrantState(
        grant=_grant(grant_id, stored),
        version=int(stored[F.VERSION]),
        upstream=_upstream(stored),
        code_wrap=stored.get(F.CODE_WRAP),
        accesses={
            int(name[start:]): unpack_access(value) for name, value in stored.items() if name.startswith(F.ACCESS)
        },
        refresh=_refresh(stored),
        behind=int(stored.get(F.CUTOFF, 0)),
    )


def client_pairs(registration: Registration) -> Pairs:
    document = {
        "client_id": registration.client_id,
        "metadata": registration.metadata,
        "created_at": registration.created_at,
    }
    return [
        *("s", SCHEMA, "d", orjson.dumps(document), "p", registration.pool_id),
        *("b", registration.sealed_body, "u", registration.last_used_at),
    ]


@_reads("client")
def read_client(client_id: str, answer: Mapping[bytes, bytes]) -> Registration | None:
    if not answer:
        return None
    stored = _named(answer)
    _check_schema("client", stored)
    document = orjson.loads(stored["d"])
    if document["client_id"] != client_id:
        raise ValueError("another client's entry")
    return Registration(
        client_id=client_id,
        pool_id=stored["p"].decode(),
        metadata=document["metadata"],
        created_at=document["created_at"],
        last_used_at=int(stored["u"]),
        sealed_body=stored["b"],
    )


def initial_access_pairs(token: InitialAccessToken) -> Pairs:
    document = {"id": token.id, "label": token.label, "uses": token.uses, "created_at": token.created_at}
    return [
        *("s", SCHEMA, "d", orjson.dumps(document)),
        *("p", token.pool_id, "n", token.left, "e", token.expires_at),
    ]


@_reads("initial_access")
def read_initial_access(token_id: str, answer: Mapping[bytes, bytes]) -> InitialAccessToken | None:
    if not answer:
        return None
    stored = _named(answer)
    _check_schema("initial_access", stored)
    document = orjson.loads(stored["d"])
    if document["id"] != token_id:
        raise ValueError("another token's entry")
    return InitialAccessToken(
        id=token_id,
        pool_id=stored["p"].decode(),
        label=document["label"],
        uses=document["uses"],
        left=int(stored["n"]),
        created_at=document["created_at"],
        expires_at=int(stored["e"]),
    )


def pack_sweep(sweep: Sweep) -> bytes:
    """The same bytes for the same sweep."""
    document = {
        "s": SCHEMA,
        "kind": type(sweep.whose).__name__,
        "whose": sweep.whose,
        "until": sweep.until,
        "reason": sweep.reason,
        "details": dict(sweep.details),
    }
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


@_reads("sweep")
def read_sweep(packed: bytes) -> Sweep:
    document = orjson.loads(packed)
    if document["s"] != SCHEMA:
        raise Unreadable("sweep_schema")
    kind: Any = _WHOSE[document["kind"]]
    return Sweep(kind(**document["whose"]), document["until"], document["reason"], document["details"])


def read_pools(answer: Mapping[bytes, bytes]) -> PoolRecords:
    """What is not a record of ours has no version, so nobody can change it; and nobody sees it."""
    found = {}
    for name, value in answer.items():
        version, mark, sealed = value.partition(b":")
        if mark and version.isdigit() and not name.startswith(b"#"):
            found[name.decode(errors="replace")] = PoolRecord(int(version), sealed)
    revision = answer.get(b"#rev", b"0")
    return PoolRecords(int(revision) if revision.isdigit() else 0, found)


def _named(answer: Mapping[bytes, bytes]) -> Fields:
    return {name.decode(): value for name, value in answer.items()}


def _check_schema(kind: str, stored: Fields) -> None:
    if stored.get(F.SCHEMA) != SCHEMA.encode():
        raise Unreadable(f"{kind}_schema")


def _grant(grant_id: str, stored: Fields) -> Grant:
    document: dict[str, Any] = orjson.loads(stored[F.DOCUMENT])
    members = {name: document[name] for name in _IN_DOCUMENT if name in document or name not in _SINCE}
    members |= {name: stored[field].decode() for name, field in _IN_FIELDS.items()}
    identity = {name: document["identity"][name] for name in _IDENTITY}
    members["identity"] = Identity(**{**identity, "groups": tuple(identity["groups"])})
    members["scopes"] = tuple(members["scopes"])
    return Grant(id=grant_id, **members)


def _upstream(stored: Fields) -> SealedUpstream:
    return SealedUpstream(
        sealed=stored[F.UPSTREAM],
        expires_at=int(stored[F.UPSTREAM_END]),
        refreshable=stored[F.UPSTREAM_REFRESHABLE] == b"1",
        serial=int(stored[F.UPSTREAM_SERIAL]),
        refused=F.UPSTREAM_REFUSED in stored,
    )


def _refresh(stored: Fields) -> Refresh | None:
    generation = stored.get(F.REFRESH_GENERATION)
    if generation is None:
        return None
    return Refresh(int(generation), int(stored[F.REFRESH_END]), stored[F.REFRESH_WRAP])
