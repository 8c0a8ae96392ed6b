"""Whom an `allow` rule names, whatever an identity adapter lets through. Over HTTP: endpoints/test_callback.py."""

import pytest

from sidecar.admission import admits, still_admits
from sidecar.directory import AllowRule
from sidecar.records import Identity

RULE = AllowRule(domains=frozenset({"example.com"}))


@pytest.mark.parametrize(
    ("email", "admitted"),
    [
        pytest.param("a@example.com", True, id="plain"),
        pytest.param("A@EXAMPLE.com", True, id="case"),
        pytest.param("a@evil.example@example.com", False, id="two at signs"),
        pytest.param('"a@evil.example"@example.com', False, id="quoted at sign"),
        pytest.param("@example.com", False, id="no local part"),
        pytest.param("example.com", False, id="no at sign"),
        pytest.param("a@", False, id="no domain"),
        pytest.param("a@example.com.", False, id="trailing dot"),
        pytest.param("a@example.com ", False, id="trailing space"),
        pytest.param("a @example.com", False, id="inner space"),
        pytest.param("a@example.com\n", False, id="line end"),
        pytest.param("a@example.com\0", False, id="NUL"),
        pytest.param("a@sub.example.com", False, id="subdomain"),
        pytest.param("\u00e4@example.com", False, id="not ASCII"),
        pytest.param("", False, id="none"),
    ],
)
def test_a_domain_is_the_part_behind_the_only_at_sign(email: str, admitted: bool):
    assert admits(RULE, Identity("s", email=email, email_verified=True), {}) is admitted
    assert not admits(RULE, Identity("s", email=email, email_verified=False), {})


@pytest.mark.parametrize(
    ("value", "admitted"),
    [
        pytest.param("eng", True, id="text"),
        pytest.param(["ops", "eng"], True, id="list"),
        pytest.param([["eng"]], False, id="nested list"),
        pytest.param({"eng": True}, False, id="object"),
        pytest.param(None, False, id="null"),
        pytest.param("", False, id="empty"),
        pytest.param("Eng", False, id="case"),
        pytest.param("engineering", False, id="longer"),
    ],
)
def test_a_claim_must_have_the_very_value(value: object, admitted: bool):
    rule = AllowRule(claims=(("team", "eng"),))
    assert admits(rule, Identity("s"), {"team": value}) is admitted


@pytest.mark.parametrize(
    ("expected", "value", "admitted"),
    [
        pytest.param("true", True, True, id="true"),
        pytest.param("1", True, False, id="true is not 1"),
        pytest.param("42", 42, True, id="number"),
        pytest.param("1.5", 1.5, False, id="fraction"),
    ],
)
def test_booleans_and_numbers_are_compared_as_an_operator_writes_them(expected: str, value: object, admitted: bool):
    assert admits(AllowRule(claims=(("x", expected),)), Identity("s"), {"x": value}) is admitted


@pytest.mark.parametrize(
    ("rule", "admitted"),
    [
        pytest.param(AllowRule(), True, id="everybody"),
        pytest.param(AllowRule(emails=frozenset({"a@example.com"})), True, id="email"),
        pytest.param(AllowRule(emails=frozenset({"b@example.com"})), False, id="another email"),
        pytest.param(AllowRule(domains=frozenset({"other.example"})), False, id="another domain"),
        pytest.param(AllowRule(groups=frozenset({"eng"})), True, id="group"),
        pytest.param(AllowRule(groups=frozenset({"ops"})), False, id="another group"),
        pytest.param(AllowRule(claims=(("team", "eng"),)), True, id="claims wait"),
        pytest.param(AllowRule(groups=frozenset({"ops"}), claims=(("team", "eng"),)), False, id="claims hide nothing"),
    ],
)
def test_what_was_kept_of_a_user_is_judged_again_without_claims(rule: AllowRule, admitted: bool):
    user = Identity("s", email="a@example.com", email_verified=True, groups=("eng",))
    assert still_admits(rule, user) is admitted
