"""Self-describing client ids: what they carry, where they are good, and that nobody else can make one."""

import re
import string
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sidecar.client_ids import MAX_LENGTH, ClientIds, SealedBody
from sidecar.oauth.registration import RegistrationPolicy, verify
from sidecar.records import Client, ClientKind
from sidecar.sealing import Key, Keyring, KeyState, SealError
from tests.fakes.entropy import SeededEntropy
from tests.oauth import bodies

_DRAW = SeededEntropy(seed=3)
_OLD, _NEW, _OTHER = _DRAW(32), _DRAW(32), _DRAW(32)
_ISSUER, _POOL, _NOW = "https://mcp.example.com", "corp-1", 1_800_000_000
_URIS = ("https://c.example/cb", "http://localhost:1/")
# Random, so that it does not compress: its id would be too long.
_LONG = tuple(f"https://c.example/{SeededEntropy(seed)(40).hex()}" for seed in range(8))


def _ids(old: KeyState = KeyState.OPEN, new: KeyState = KeyState.ACTIVE, seed: int = 1) -> ClientIds:
    return ClientIds(Keyring((Key(1, old, _OLD), Key(2, new, _NEW))), SeededEntropy(seed))


def _issue(ids: ClientIds, redirect_uris: tuple[str, ...] = _URIS, **changed: Any) -> SealedBody:
    members: dict[str, Any] = {
        "issuer": _ISSUER,
        "pool_id": _POOL,
        "redirect_uris": redirect_uris,
        "auth_method": "none",
        "application_type": "",
        "refresh": True,
        "now": _NOW,
    }
    return ids.issue(**{**members, **changed})


def _open(ids: ClientIds, client_id: str, stored: bytes = b"") -> Client | None:
    return ids.open(client_id, issuer=_ISSUER, pool_id=_POOL, stored=stored)


_IDS = _ids()


@given(
    st.lists(st.from_regex(r"[!-~]{1,60}", fullmatch=True), min_size=1, max_size=6),
    st.sampled_from(["none", "client_secret_post", "client_secret_basic"]),
    st.sampled_from(["", "native", "web"]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_an_id_carries_what_security_needs(
    uris: list[str], auth_method: str, application_type: str, refresh: bool, now: int
):
    sealed = _issue(
        _IDS, tuple(uris), auth_method=auth_method, application_type=application_type, refresh=refresh, now=now
    )
    client = _open(_IDS, sealed.client_id, sealed.stored)
    assert client == Client(
        sealed.client_id,
        ClientKind.DCR,
        _ISSUER,
        _POOL,
        tuple(uris),
        (auth_method,),  # type: ignore[arg-type]
        application_type,  # type: ignore[arg-type]
        refresh,
        now,
    )
    assert bool(sealed.stored) is _IDS.needs_store(sealed.client_id)


@pytest.mark.req(45, 46)
@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in bodies.ALL.items()])
@pytest.mark.parametrize("issuer", [_ISSUER, "https://mcp.example.com/a-tenant-with-a-rather-long-name"])
def test_the_ids_of_real_clients_need_no_store_and_pass_255_characters_never(body: Mapping[str, object], issuer: str):
    metadata = verify(dict(body), RegistrationPolicy(), scopes=())
    sealed = _issue(
        _IDS,
        metadata.redirect_uris,
        issuer=issuer,
        auth_method=metadata.auth_method,
        application_type=metadata.application_type,
        refresh=metadata.refresh,
    )
    assert not sealed.stored
    assert re.fullmatch(r"dcr1-[A-Za-z0-9_-]+", sealed.client_id)
    assert len(sealed.client_id) <= MAX_LENGTH
    client = _IDS.open(sealed.client_id, issuer=issuer, pool_id=_POOL)
    assert client is not None
    assert list(client.redirect_uris) == body["redirect_uris"]


def test_an_id_that_would_be_too_long_is_short_and_needs_the_store():
    sealed = _issue(_IDS, _LONG)
    assert _IDS.needs_store(sealed.client_id)
    assert re.fullmatch(r"dcr1s-[A-Za-z0-9_-]{27}", sealed.client_id)
    client = _open(_IDS, sealed.client_id, sealed.stored)
    assert client is not None
    assert client.redirect_uris == _LONG
    assert _open(_IDS, sealed.client_id) is None
    assert _LONG[0].encode() not in sealed.stored


def test_a_stored_body_is_good_for_its_own_id_only():
    one, other = _issue(_IDS, _LONG), _issue(_IDS, _LONG)
    assert _open(_IDS, one.client_id, other.stored) is None
    short = _issue(_IDS)
    assert _open(_IDS, one.client_id, short.client_id.encode()) is None


@pytest.mark.req(130)
@given(st.booleans(), st.data())
def test_one_changed_character_is_nobody_s_id(stored: bool, data: st.DataObject):
    sealed = _issue(_IDS, _LONG if stored else _URIS)
    text = sealed.client_id
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.one_of(st.sampled_from(string.ascii_letters + string.digits + "-_+/=. \n"), st.characters()))
    assume(other != text[position])
    assert _open(_IDS, text[:position] + other + text[position + 1 :], sealed.stored) is None


@pytest.mark.req(130)
@pytest.mark.parametrize("uris", [_URIS, _LONG], ids=["self-describing", "stored"])
def test_every_other_character_at_every_place_is_nobody_s_id(uris: tuple[str, ...]):
    sealed = _issue(_IDS, uris)
    text = sealed.client_id
    changed = (
        text[:position] + other + text[position + 1 :]
        for position in range(len(text))
        for other in string.ascii_letters + string.digits + "-_+/=. \n"
        if other != text[position]
    )
    assert [variant for variant in changed if _open(_IDS, variant, sealed.stored) is not None] == []


def test_a_lone_surrogate_is_a_wrong_id_and_a_wrong_secret():
    client_id = _issue(_IDS).client_id
    for odd in ("\ud800", "\udcff"):
        assert not _IDS.secret_matches(client_id, odd)
        assert not _IDS.secret_matches(odd, odd)
        assert _open(_IDS, f"dcr1-{odd}") is None
        assert _open(_IDS, f"dcr1s-{odd}", b"x") is None


@given(st.text(max_size=300), st.binary(max_size=60))
def test_no_text_breaks_opening(text: str, stored: bytes):
    for candidate in (text, f"dcr1-{text}", f"dcr1s-{text}"):
        assert _open(_IDS, candidate, stored) is None
        assert not _IDS.secret_matches(candidate, text)


def test_truncated_extended_and_padded_ids_are_nobody_s():
    text = _issue(_IDS).client_id
    variants = [text[:length] for length in range(len(text))]
    variants += [text + more for more in ("A", "=", "==", " ", "\n", "A" * 300)]
    assert [variant for variant in variants if _open(_IDS, variant) is not None] == []


@pytest.mark.parametrize("uris", [_URIS, _LONG], ids=["self-describing", "stored"])
def test_an_id_is_good_at_one_issuer_under_one_pool(uris: tuple[str, ...]):
    sealed = _issue(_IDS, uris)
    for issuer, pool_id in ((f"{_ISSUER}/t", _POOL), (_ISSUER, "corp-2"), (f"{_ISSUER}c", "orp-1")):
        assert _IDS.open(sealed.client_id, issuer=issuer, pool_id=pool_id, stored=sealed.stored) is None


def test_the_same_body_gets_a_fresh_id_each_time():
    assert len({_issue(_IDS).client_id for _ in range(50)}) == 50


@pytest.mark.req(193)
@pytest.mark.parametrize("uris", [_URIS, _LONG], ids=["self-describing", "stored"])
def test_keys_rotate(uris: tuple[str, ...]):
    before = _ids(KeyState.ACTIVE, KeyState.PENDING)
    sealed = _issue(before, uris)
    during, after = _ids(seed=2), _ids(KeyState.RETIRED, seed=3)
    assert _open(during, sealed.client_id, sealed.stored) is not None
    assert during.secret(sealed.client_id) == before.secret(sealed.client_id), "a secret outlives the rotation"
    assert _open(after, sealed.client_id, sealed.stored) is None
    assert not after.secret_matches(sealed.client_id, before.secret(sealed.client_id))
    with pytest.raises(SealError):
        after.secret(sealed.client_id)
    with pytest.raises(SealError):
        after.registration_token(sealed.client_id)
    new = _issue(during, uris)
    assert _open(before, new.client_id, new.stored) is not None, "a replica that is behind knows the pending key"


def test_an_id_of_another_deployment_is_nobody_s():
    theirs = ClientIds(Keyring((Key(2, KeyState.ACTIVE, _OTHER),)), SeededEntropy())
    assert _open(_IDS, _issue(theirs).client_id) is None


@pytest.mark.req(45)
@pytest.mark.parametrize("uris", [_URIS, _LONG], ids=["self-describing", "stored"])
def test_secrets_are_derived_and_unreserved(uris: tuple[str, ...]):
    one, other = _issue(_IDS, uris).client_id, _issue(_IDS, uris).client_id
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", _IDS.secret(one))
    assert re.fullmatch(r"dcrm_[A-Za-z0-9_-]{43}", _IDS.registration_token(one))
    derived = [
        _IDS.secret(one),
        _IDS.secret(other),
        _IDS.registration_token(one)[5:],
        _IDS.registration_token(one, version=2)[5:],
        _IDS.registration_token(other)[5:],
    ]
    assert len(set(derived)) == len(derived)
    assert _IDS.secret(one) == _ids(seed=9).secret(one)


@pytest.mark.req(130)
@given(st.text(max_size=60))
def test_only_the_secret_matches(presented: str):
    client_id = _issue(_IDS).client_id
    secret = _IDS.secret(client_id)
    assert _IDS.secret_matches(client_id, secret)
    assert not _IDS.secret_matches(client_id, presented)
    assert not _IDS.secret_matches(client_id, secret + presented[:1] + "x")
    assert not _IDS.secret_matches(client_id, secret[:-1])


@pytest.mark.req(71, 193)
@pytest.mark.parametrize("uris", [pytest.param(_URIS, id="sealed"), pytest.param(_LONG, id="stored")])
def test_a_changed_body_goes_before_the_ids_own_and_is_good_for_that_id_only(uris: tuple[str, ...]):
    issued, other = _issue(_IDS, uris), _issue(_IDS)
    client = _open(_IDS, issued.client_id, issued.stored)
    assert client is not None
    changed = replace(client, redirect_uris=("https://new.example/cb",), application_type="web", refresh=False)
    body = _IDS.change(changed)
    assert _open(_IDS, issued.client_id, body) == changed
    assert _open(_IDS, other.client_id, body) is None
    assert _open(_IDS, issued.client_id, body[:-1] + bytes([body[-1] ^ 1])) is None
    assert _IDS.open(issued.client_id, issuer="https://else.example", pool_id=_POOL, stored=body) is None


@pytest.mark.req(74)
def test_a_registration_token_is_one_clients():
    one, other = _issue(_IDS).client_id, _issue(_IDS).client_id
    assert _IDS.registration_token_matches(one, _IDS.registration_token(one))
    for wrong in ("", "\udcff", _IDS.registration_token(other), _IDS.registration_token(one, 2), _IDS.secret(one)):
        assert not _IDS.registration_token_matches(one, wrong)
    assert not _IDS.registration_token_matches("dcr1-!", "")


@pytest.mark.parametrize("redirect_uris", [pytest.param(_URIS, id="sealed"), pytest.param(_LONG, id="stored")])
def test_an_id_tells_which_key_made_it(redirect_uris: tuple[str, ...]) -> None:
    """Also when that key is retired: so it can be said what retiring it would end, or has ended."""
    made = _issue(_ids(KeyState.ACTIVE, KeyState.PENDING), redirect_uris).client_id
    for ids in (_ids(KeyState.ACTIVE, KeyState.PENDING), _ids(), _ids(KeyState.RETIRED)):
        assert ids.key_of(made) == 1
    assert _ids().key_of(_issue(_ids(), redirect_uris).client_id) == 2


@pytest.mark.parametrize("client_id", ["", "partner", "https://app.example/client.json", "dcr1-!", "dcr1s-*"])
def test_an_id_that_we_did_not_make_has_no_key(client_id: str) -> None:
    assert _IDS.key_of(client_id) is None
