"""The pages that a person sees: consent, an error, no access. Owns HTML, its headers, and how things are named in it.

No script runs and nothing is loaded. There is no `form-action` in the policy: Chromium applies it to every hop of the
redirect chain that follows a form, up to the IdP and the client's own scheme (design 12.7). There is no
Cross-Origin-Opener-Policy either: clients that opened us in a popup wait for its return.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import jinja2
from aiohttp import web
from markupsafe import Markup

from sidecar.oauth import redirects
from sidecar.oauth.errors import OAuthError
from sidecar.records import Client, ClientKind, Pool
from sidecar.signin.approvals import Prompt
from sidecar.signin.problems import START_AGAIN, Problem
from sidecar.signin.returns import Refusal
from sidecar.upstream.quirks import preset

_SHOWN_ID = 28
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class Pages:
    """Use `Pages.load()`."""

    templates: jinja2.Environment
    headers: Mapping[str, str]

    @classmethod
    def load(cls) -> Self:
        loader = jinja2.PackageLoader("sidecar")
        templates = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        style, _, _ = loader.get_source(templates, "style.css")
        templates.globals["style"] = Markup(style)  # noqa: S704 - our own file, with nothing put into it
        digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"
        return cls(
            templates,
            {
                "Content-Security-Policy": policy,
                "X-Frame-Options": "DENY",
                # The approval needs an Origin on the form's POST, so `no-referrer` would break it (design 12.5).
                "Referrer-Policy": "same-origin",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            },
        )

    def consent(self, prompt: Prompt, action: str) -> web.Response:
        """`action` is the path that the form is sent to."""
        checked, request = prompt.checked, prompt.checked.request
        host = redirects.host_of(request.redirect_uri)
        return self._page(
            "consent.html",
            app=request.client_name,
            client_id=_short(checked.client),
            document_host=_document_host(checked.client),
            configured=checked.client.kind is ClientKind.STATIC,
            loopback_only=all(redirects.is_loopback(uri) for uri in checked.client.redirect_uris),
            redirect_host=host,
            redirect_uri=request.redirect_uri,
            destination=_destination(request.redirect_uri),
            idn=any(label.startswith("xn--") for label in host.lower().split(".")),
            server=request.server,
            resource=request.resource,
            scopes=request.scopes,
            sign_in_at=_sign_in_at(checked.pool),
            action=action,
            form=prompt.form,
            reference=request.reference,
        )

    def no_access(self, refusal: Refusal, reference: str) -> web.Response:
        identity = refusal.identity
        return self._page(
            "denied.html",
            403,
            account=identity.email or identity.name or identity.subject,
            server=refusal.server.name,
            resource=refusal.server.resource,
            host=urlsplit(refusal.server.resource).netloc,
            sign_in_at=_sign_in_at(refusal.pool),
            app=refusal.client_name,
            location=refusal.location,
            reference=reference,
        )

    def error(self, error: OAuthError, reference: str) -> web.Response:
        title, advice = Problem.title, START_AGAIN
        if isinstance(error, Problem):
            title, advice = error.title, error.advice
        elif error.status >= _SERVER_FAULT:
            title, advice = "We cannot go on right now", f"Wait a moment. {START_AGAIN}"
        page = self._page(
            "error.html",
            error.status,
            title=title,
            description=error.description,
            advice=advice,
            code=error.code,
            reference=reference,
        )
        page.headers.update(error.headers)
        return page

    def _page(self, template: str, status: int = 200, **context: object) -> web.Response:
        text = self.templates.get_template(template).render(context)
        return web.Response(text=text, status=status, content_type="text/html", headers=self.headers)


def _short(client: Client) -> str:
    """Enough of an id to compare: most of a self-describing one is noise to people. Others say something as a whole."""
    return (
        client.id
        if client.kind is not ClientKind.DCR or len(client.id) <= _SHOWN_ID
        else f"{client.id[:12]}…{client.id[-8:]}"
    )


def _document_host(client: Client) -> str:
    """The domain that stands behind a client document; nothing stands behind a dynamic registration."""
    return redirects.host_of(client.id) if client.kind is ClientKind.CIMD else ""


def _destination(redirect_uri: str) -> str:
    if redirects.is_loopback(redirect_uri):
        return "loopback"
    return "web" if redirect_uri.startswith("https://") else "private"


def _sign_in_at(pool: Pool) -> str:
    """The IdP's host as configured or as its preset has it, else the provider's name."""
    quirks = preset(pool.provider)
    place = pool.authorization_endpoint or pool.issuer or quirks.authorization_endpoint or quirks.issuer
    return urlsplit(place).hostname or pool.provider
