"""Plain identity headers: no value starts a new line, and every value has one reading."""

from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar import headers
from sidecar.identity_headers import LONGEST, carried_groups, identity_headers
from sidecar.records import Identity
from tests.test_identity_assertions import ALICE, GRANT


def told(**who: object) -> dict[str, str]:
    grant = replace(GRANT, identity=replace(ALICE, **who))  # type: ignore[arg-type]
    return dict(identity_headers(grant, ("notes.read", "notes.write")))


def test_everything_that_is_known_has_a_header():
    assert told() == {
        "x-dcr-user": "alice",
        "x-dcr-email": "alice@example.com",
        "x-dcr-name": "Alice Liddell",
        "x-dcr-groups": "staff,%C3%BCnits",
        "x-dcr-client": "dcr1-client",
        "x-dcr-client-name": "Inspector",
        "x-dcr-scopes": "notes.read notes.write",
    }


def test_all_of_them_are_stripped_from_what_clients_send():
    assert {*told(), headers.ASSERTION} == set(headers.IDENTITY)


def test_an_address_that_nobody_vouches_for_has_none():
    assert "x-dcr-email" not in told(email_verified=False)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        pytest.param("a\r\nx-dcr-user: admin", "a%0D%0Ax-dcr-user: admin", id="line break"),
        pytest.param("100%", "100%25", id="percent"),
        pytest.param("%0D%0A", "%250D%250A", id="looks encoded"),
        pytest.param("Zoë", "Zo%C3%AB", id="beyond ASCII"),
        pytest.param(" a b ", "%20a%20b%20", id="blanks at the ends"),
        pytest.param("a, b", "a, b", id="comma in a single value"),
        pytest.param("\x00\x7f", "%00%7F", id="control characters"),
    ],
)
def test_a_value_is_encoded_where_a_header_could_not_hold_it(name: str, sent: str):
    assert told(name=name)["x-dcr-name"] == sent


@given(st.text(min_size=1, max_size=256))
def test_decoding_gives_the_value_back(name: str):
    sent = told(name=name)["x-dcr-name"]
    assert sent.isascii()
    assert sent.isprintable()
    assert sent == sent.strip()
    assert unquote(sent) == name


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=20).map(tuple))
def test_a_list_is_split_before_it_is_decoded(groups: tuple[str, ...]):
    assert tuple(unquote(entry) for entry in told(groups=groups)["x-dcr-groups"].split(",")) == groups


def test_what_is_too_long_is_left_out_whole():
    fits, too_many = ("g" * 63,) * 64, ("g" * 63,) * 65
    assert len(told(groups=fits)["x-dcr-groups"]) == LONGEST - 1
    assert "x-dcr-groups" not in told(groups=too_many)
    assert (carried_groups(Identity("a", groups=fits)), carried_groups(Identity("a", groups=too_many))) == (fits, ())
