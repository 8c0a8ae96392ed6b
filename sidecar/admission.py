"""Whom a server's `allow` rule names, at sign-in and later. Pure; fails closed on every claim that is absent or odd.

Email addresses and domains are two ways to name a person, so either will do. Groups and claims narrow further: each
kind that is configured must hold as well. Several values of one kind are alternatives.
"""

from collections.abc import Mapping
from dataclasses import replace

from sidecar.directory import AllowRule
from sidecar.records import Identity


def admits(rule: AllowRule, identity: Identity, claims: Mapping[str, object]) -> bool:
    """`claims` are the verified ones of the sign-in. A rule without any entry admits everybody whom the IdP lets in."""
    if (rule.emails or rule.domains) and not _addressed(rule, identity):
        return False
    if rule.groups and rule.groups.isdisjoint(identity.groups):
        return False
    names = {name for name, _ in rule.claims}
    return all(_claimed(rule, name, claims.get(name)) for name in names)


def still_admits(rule: AllowRule, identity: Identity) -> bool:
    """The same for somebody who signed in earlier, by what was kept. No claims were, so rules about them must wait."""
    return admits(replace(rule, claims=()), identity, {})


def _addressed(rule: AllowRule, identity: Identity) -> bool:
    """An unverified address names nobody; one with two @ could mean another domain to another parser.

    ASCII only: outside of it, lower case can turn a look-alike into the letter (U+212A, the Kelvin sign, into k).
    """
    if not identity.email_verified or not identity.email.isascii() or not identity.email.isprintable():
        return False
    email = identity.email.lower()
    local, at, domain = email.partition("@")
    if not local or not at or not domain or "@" in domain or " " in email:
        return False
    return email in _lowered(rule.emails) or domain in _lowered(rule.domains)


def _claimed(rule: AllowRule, name: str, value: object) -> bool:
    wanted = {expected for key, expected in rule.claims if key == name}
    values = value if isinstance(value, list | tuple) else [value]
    return any(_text(each) in wanted for each in values if each is not None)


def _text(value: object) -> str | None:
    """As an operator writes it in the configuration: true, 42, or the string itself."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None


def _lowered(entries: frozenset[str]) -> frozenset[str]:
    return frozenset(entry.lower() for entry in entries)
