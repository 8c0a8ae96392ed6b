"""A tiny browser: navigates, keeps cookies, reads forms, and sends the headers by which servers judge a navigation.

What it does as browsers do: SameSite and Path on cookies (which ignore ports), `Origin` on POST (`null` under
`Referrer-Policy: no-referrer`), `Sec-Fetch-*` over the whole redirect chain, 303 turning into GET. No script runs.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import Morsel, SimpleCookie
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp

MAX_HOPS = 10


@dataclass(frozen=True)
class Button:
    text: str
    name: str
    value: str


@dataclass
class Form:
    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """Where a navigation ended: a document, or the first URL of another program (`outside`)."""

    url: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    outside: bool = False
    hops: tuple[str, ...] = ()

    @property
    def forms(self) -> list[Form]:
        parser = _Forms()
        parser.feed(self.text)
        return parser.forms


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._button: dict[str, str] | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        got = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(got.get("action", ""), got.get("method", "get").lower()))
        elif tag == "input" and self.forms and got.get("name"):
            if got.get("type") not in {"checkbox", "radio"} or "checked" in got:
                self.forms[-1].fields.append((got["name"], got.get("value", "")))
        elif tag == "button" and self.forms:
            self._button, self._text = got, ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._button is not None:
            text = " ".join(self._text.split())
            self.forms[-1].buttons.append(Button(text, self._button.get("name", ""), self._button.get("value", "")))
            self._button = None


class Browser:
    """One person's browser. `home` URLs belong to another program, so a navigation there ends with `outside`."""

    def __init__(self, *home: str) -> None:
        self.home = home
        self.cookies: dict[tuple[str, str, str], Morsel[str]] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def open(self, url: str) -> Page:
        """As if typed, or as if another program asked the system to open it."""
        return await self._navigate("GET", url, None, initiator=None)

    async def press(self, page: Page, label: str, **typed: str) -> Page:
        """Type into fields, then press the button whose text matches `label` (a regular expression)."""
        for form in page.forms:
            for button in form.buttons:
                if re.search(label, button.text, re.IGNORECASE):
                    form.fields = [(name, typed.pop(name, value)) for name, value in form.fields]
                    assert not typed, f"no field {sorted(typed)} beside the button {button.text!r} at {page.url}"
                    return await self.submit(page, form, button)
        found = [button.text for form in page.forms for button in form.buttons]
        raise AssertionError(f"no button {label!r} among {found} at {page.url} ({page.status}): {page.text[:600]}")

    async def submit(self, page: Page, form: Form, button: Button | None = None) -> Page:
        data = list(form.fields)
        if button is not None and button.name:
            data.append((button.name, button.value))
        url = urljoin(page.url, form.action or page.url)
        return await self._navigate(form.method.upper(), url, data, initiator=page)

    async def _navigate(
        self, method: str, url: str, data: list[tuple[str, str]] | None, *, initiator: Page | None
    ) -> Page:
        assert self._session is not None
        hops: list[str] = []
        chain = [url]
        for _ in range(MAX_HOPS):
            if any(url.startswith(home) for home in self.home) or not url.startswith(("http://", "https://")):
                return Page(url, outside=True, hops=tuple(hops))
            headers = self._headers(method, chain, initiator)
            async with self._session.request(
                method, url, data=data if method == "POST" else None, headers=headers, allow_redirects=False
            ) as response:
                self._keep(url, response.headers.getall("Set-Cookie", []))
                hops.append(url)
                location = response.headers.get("Location")
                if response.status not in {301, 302, 303, 307, 308} or not location:
                    got = {name.lower(): value for name, value in response.headers.items()}
                    return Page(url, response.status, got, await response.text(), hops=tuple(hops))
                if response.status not in {307, 308}:
                    method, data = "GET", None
                url = urljoin(url, location)
                chain.append(url)
        raise AssertionError(f"more than {MAX_HOPS} redirects: {hops}")

    def _headers(self, method: str, chain: list[str], initiator: Page | None) -> dict[str, str]:
        site = _fetch_site(initiator.url, chain) if initiator else "none"
        headers = {
            "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
            "Sec-Fetch-Dest": "document",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Site": site,
            "Sec-Fetch-User": "?1",
            "Upgrade-Insecure-Requests": "1",
        }
        if method == "POST" and initiator is not None:
            silent = initiator.headers.get("referrer-policy", "") == "no-referrer"
            headers["Origin"] = "null" if silent else _origin(initiator.url)
        if cookies := self._cookies(chain[-1], cross_site=site == "cross-site", method=method):
            headers["Cookie"] = cookies
        return headers

    def _cookies(self, url: str, *, cross_site: bool, method: str) -> str:
        parts = urlsplit(url)
        sent = []
        for (host, path, name), morsel in self.cookies.items():
            same_site = (morsel["samesite"] or "Lax").lower()
            if host != parts.hostname or not _path_matches(path, parts.path or "/"):
                continue
            if morsel["secure"] and parts.scheme != "https" and host not in {"localhost", "127.0.0.1"}:
                continue
            if cross_site and (same_site == "strict" or (same_site == "lax" and method != "GET")):
                continue
            sent.append(f"{name}={morsel.coded_value}")
        return "; ".join(sent)

    def _keep(self, url: str, headers: list[str]) -> None:
        parts = urlsplit(url)
        for header in headers:
            for name, morsel in SimpleCookie(header).items():
                key = (parts.hostname or "", morsel["path"] or "/", name)
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = morsel


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _fetch_site(initiator: str, chain: list[str]) -> str:
    """Fetch Metadata 2.3, over the whole redirect chain. A site is scheme and host here: loopback has no suffixes."""
    site = urlsplit(initiator)
    if any((parts.scheme, parts.hostname) != (site.scheme, site.hostname) for parts in map(urlsplit, chain)):
        return "cross-site"
    return "same-origin" if all(_origin(url) == _origin(initiator) for url in chain) else "same-site"


def _path_matches(cookie: str, path: str) -> bool:
    return path == cookie or path.startswith(cookie if cookie.endswith("/") else cookie + "/")
