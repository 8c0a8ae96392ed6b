"""A user who has signed in, without the pages: a grant made by the use case that /callback calls."""

from typing import Any

from sidecar.grants.creation import GrantCreation
from sidecar.records import AuthorizationRequest, Identity, UpstreamTokens
from sidecar.tokens import TokenCodec
from tests.endpoints.conftest import CHALLENGE, Face

REDIRECT = "http://127.0.0.1:3000/cb"
PUBLIC = {"token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"]}
ALICE = Identity(subject="alice", email="alice@example.com", email_verified=True)


async def sign_in(
    face: Face, registered: dict[str, Any], *, server: str = "notes", tokens: UpstreamTokens | None = None
) -> str:
    """The code that alice's browser would bring to this client."""
    services = face.services
    directory, sources = services.directory, services.sources
    where = directory.server(server)
    assert where is not None
    issuer = directory.issuer(where.issuer)
    pool = directory.pool_of(where)
    assert issuer is not None
    assert pool is not None
    client = await services.clients.resolve(issuer, pool, registered["client_id"], "")
    assert client is not None
    creation = GrantCreation(
        services.adapters.store,
        TokenCodec(services.settings.keyring, sources.entropy),
        sources.entropy,
        sources.clock,
        services.settings.lifetimes,
    )
    request = AuthorizationRequest(
        issuer=issuer.url,
        client_id=client.id,
        client_name=client.name,
        redirect_uri=REDIRECT,
        redirect_uri_sent=True,
        server=where.name,
        resource=where.resource,
        scopes=where.scopes,
        state=None,
        code_challenge=CHALLENGE,
        reference="ref0000001",
    )
    upstream = tokens or UpstreamTokens("up-1", "up-r-1", face.clock() + 7200)
    _, code = await creation.create(
        request=request, client=client, pool=pool, server=where, identity=ALICE, tokens=upstream
    )
    return code


async def tokens_for(face: Face, registered: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The answer of /token for a public client's first code."""
    registered = registered or await face.register(**PUBLIC)
    code = await sign_in(face, registered, **more)
    response = await face.post_form("/token", face.code_fields(code=code, client_id=registered["client_id"]))
    assert response.status == 200, await response.text()
    return {**await response.json(), "client_id": registered["client_id"]}
