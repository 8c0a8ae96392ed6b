"""Who may be a client: the policy over registrations and documents, and the clients that the operator wrote down."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from sidecar.oauth.policy import KNOWN_SCHEMES, DocumentPolicy, RegistrationPolicy, Verdict
from sidecar.oauth.texts import is_plain
from sidecar.records import StaticClient
from sidecar.settings.ca_files import read_ca
from sidecar.settings.errors import Problem
from sidecar.settings.model import DocumentSettings
from sidecar.settings.schema import ClientSection, RegistrationSection
from sidecar.settings.secret_files import Secrets, unguessable

_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+")
_ANY = RegistrationPolicy(frozenset(), ())


def resolve_policy(raw: RegistrationSection, problems: list[Problem]) -> RegistrationPolicy:
    schemes = KNOWN_SCHEMES if raw.redirects.schemes is None else frozenset(raw.redirects.schemes)
    try:
        return RegistrationPolicy(schemes, raw.redirects.hosts, raw.scopes.dcr)
    except ValueError as error:
        problems.append(Problem("registration.redirects", str(error)))
        return RegistrationPolicy()


def resolve_documents(raw: RegistrationSection, base: Path, problems: list[Problem]) -> DocumentSettings:
    documents = raw.documents
    key, ca = "registration.documents.ca_file", ""
    if documents.ca_file:
        ca = read_ca(key, base / documents.ca_file, problems)
        if not documents.internal_hosts:
            problems.append(Problem(key, "is for `internal_hosts`, and there are none"))
    policy = DocumentPolicy(raw.cimd == "on", documents.hosts, documents.denied_hosts)
    return DocumentSettings(policy, raw.scopes.cimd, frozenset(documents.internal_hosts), ca)


def resolve_clients(
    sections: Sequence[ClientSection], pools: Collection[str], secrets: Secrets
) -> Mapping[str, StaticClient]:
    """By id. What is wrong with them goes to the secrets' list of problems.

    `pools`: the names of those that are configured, and of those that servers name: they may be made while we run.
    """
    found: dict[str, StaticClient] = {}
    for section in sections:
        client = _client(section, secrets)
        secrets.problems.extend(
            Problem(f"clients[{section.name}].{key}", text) for key, text in _wrong(section, client, pools, secrets)
        )
        if client.id in found:
            secrets.problems.append(Problem("clients.client_id", f"two clients have {client.id}; each needs its own"))
        found[client.id] = client
    return MappingProxyType(found)


def _client(section: ClientSection, secrets: Secrets) -> StaticClient:
    key = f"clients[{section.name}].client_secret"
    return StaticClient(
        id=section.client_id or section.name,
        pool=section.pool,
        title=section.title or section.name,
        redirect_uris=section.redirect_uris,
        secret=secrets.read(key, section.client_secret, section.client_secret_file),
        uri=section.uri or "",
        scopes=section.scopes,
    )


def _wrong(
    section: ClientSection, client: StaticClient, pools: Collection[str], secrets: Secrets
) -> list[tuple[str, str]]:
    """(key, text) for each thing that would end in failing or unsafe sign-ins."""
    found = []
    if section.pool not in pools:
        found.append(("pool", f"there is no pool {section.pool}, and no server names one; add it, or correct the name"))
    if client.id.startswith("dcr"):
        found.append(("client_id", "must not begin with dcr, as ids of our making do; give one beside the name"))
    if not is_plain(client.title):
        found.append(("title", "has characters that are not shown"))
    # Others would be read in two ways: not every client form-encodes what it sends as Basic (RFC 6749 2.3.1).
    if (
        client.secret
        and not secrets.withheld
        and not (unguessable(client.secret) and _UNRESERVED.fullmatch(client.secret))
    ):
        text = "must be 32 or more random letters, digits and . _ ~ -; make it with `openssl rand -hex 32`"
        found.append(("client_secret", text))
    # The operator's word goes for any host and scheme, but not for what nobody may have.
    dangerous = [uri for uri in client.redirect_uris if _ANY.judge(uri) is Verdict.DANGEROUS]
    found += [("redirect_uris", f"{uri} is no redirect URI that anybody may have") for uri in dangerous]
    return found
