"""Clients whose id is the URL of a document: policy, page, tokens, faults. The fetch itself is tested in upstream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from sidecar.budgets import Budget, Budgets
from sidecar.oauth.client_document import ClientDocument
from sidecar.oauth.policy import DocumentPolicy
from sidecar.settings.model import DocumentSettings
from sidecar.upstream.base import UpstreamMalformed, UpstreamUnavailable
from tests.endpoints.front import ISS, VERIFIER, Answer, Front, query, running_front
from tests.endpoints.journey import HOST

URL = "https://clients.example/app.json"
WEB = "https://app.example/cb"
DOCUMENT = ClientDocument(url=URL, name="Documented App", redirect_uris=(WEB, "http://localhost/callback"))
ON = DocumentPolicy(enabled=True)


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with documented() as running:
        yield running


@asynccontextmanager
async def documented(policy: DocumentPolicy = ON, scopes: tuple[str, ...] = (), **changes: Any) -> AsyncIterator[Front]:
    async with running_front(changes={"documents": DocumentSettings(policy, scopes), **changes}) as front:
        front.client_documents.published[URL] = DOCUMENT
        yield front


def error_page(answer: Answer, status: int, text: str) -> None:
    assert answer.status == status, answer.text
    assert "Location" not in answer.headers
    assert text in answer.visible


async def token(front: Front, **fields: str) -> tuple[int, dict[str, Any]]:
    async with front.session.post(front.base + "/token", data={"client_id": URL, **fields}, headers=HOST) as response:
        return response.status, await response.json()


async def sign_in(front: Front, redirect_uri: str = WEB) -> dict[str, Any]:
    browser = front.browser()
    back = await browser.come_back(await browser.leave_for_idp(URL, redirect_uri=redirect_uri))
    assert back.location.startswith(redirect_uri)
    fields = {"grant_type": "authorization_code", "code_verifier": VERIFIER, "redirect_uri": redirect_uri}
    status, answer = await token(front, code=back.query["code"], **fields)
    assert status == 200, answer
    return answer


@pytest.mark.req(75, 82)
@pytest.mark.parametrize("redirect_uri", [WEB, "http://localhost:3118/callback", "http://localhost/callback"])
async def test_a_documented_client_signs_a_user_in_and_refreshes(front: Front, redirect_uri: str):
    tokens = await sign_in(front, redirect_uri)
    status, refreshed = await token(front, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert status == 200, refreshed
    assert front.client_documents.fetched == [URL]


@pytest.mark.req(82)
@pytest.mark.parametrize("redirect_uri", ["https://app.example/cb2", "http://127.0.0.1:3118/callback"])
async def test_a_redirect_that_the_document_does_not_list_gets_nothing(front: Front, redirect_uri: str):
    error_page(await front.browser().ask(URL, redirect_uri=redirect_uri), 400, "wrong address")


@pytest.mark.req(83)
async def test_the_page_names_the_host_behind_the_id_and_the_one_of_the_answer(front: Front):
    page = await front.browser().ask(URL)
    assert "Described by clients.example" in page.visible
    assert "app.example" in page.visible
    assert URL in page.visible


@pytest.mark.req(83)
async def test_a_client_that_only_answers_on_this_computer_is_warned_about(front: Front):
    """Anybody can name the document of a known app, and listen on loopback."""
    front.client_documents.published[URL] = replace(DOCUMENT, redirect_uris=("http://localhost/callback",))
    page = await front.browser().ask(URL, redirect_uri="http://localhost:3118/callback")
    assert "Any program that runs here could be asking" in page.visible
    assert "cannot prove that it is" in page.visible


@pytest.mark.parametrize(
    ("policy", "url"),
    [
        pytest.param(DocumentPolicy(), URL, id="off"),
        pytest.param(DocumentPolicy(True, ("other.example",)), URL, id="another host"),
        pytest.param(DocumentPolicy(True, (), ("*.example",)), URL, id="denied host"),
        pytest.param(ON, "https://clients.example/", id="no path"),
        pytest.param(ON, "https://clients.example/a/../b", id="dots"),
        pytest.param(ON, "https://user@clients.example/b", id="userinfo"),
        pytest.param(ON, "https://clients.example/b#f", id="fragment"),
        pytest.param(ON, "http://clients.example/b", id="http"),
    ],
)
@pytest.mark.req(75)
async def test_what_is_not_allowed_is_not_even_fetched(policy: DocumentPolicy, url: str):
    async with documented(policy) as front:
        error_page(await front.browser().ask(url), 400, "not known here")
        assert front.client_documents.fetched == []


@pytest.mark.req(76, 78)
async def test_a_document_that_cannot_be_used_is_told_to_the_person_and_refused_to_the_client(front: Front):
    front.client_documents.published[URL] = UpstreamMalformed("an answer of 404")
    error_page(await front.browser().ask(URL), 400, "description cannot be used")
    status, answer = await token(front, grant_type="refresh_token", refresh_token="dcrr_x")
    assert (status, answer["error"]) == (401, "invalid_client")


@pytest.mark.req(81, 136)
async def test_a_document_that_nobody_can_read_now_ends_nothing(front: Front):
    """The client's site is down: its users must not be signed out for that."""
    tokens = await sign_in(front)
    front.client_documents.fresh.clear()
    front.client_documents.published[URL] = UpstreamUnavailable("not reached")
    again = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    status, answer = await token(front, **again)
    assert (status, answer["error"]) == (503, "temporarily_unavailable")
    error_page(await front.browser().ask(URL), 503, "cannot go on right now")
    front.client_documents.published[URL] = DOCUMENT
    assert (await token(front, **again))[0] == 200


@pytest.mark.req(84)
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(replace(DOCUMENT, name="Another Name"), id="name"),
        pytest.param(replace(DOCUMENT, redirect_uris=("https://other.example/cb",)), id="redirects"),
    ],
)
async def test_what_was_shown_before_the_document_changed_cannot_be_approved(front: Front, changed: ClientDocument):
    browser = front.browser()
    page = await browser.ask(URL)
    front.client_documents.published[URL] = changed
    answer = await browser.approve(page)
    assert "code=" not in answer.headers.get("Location", "")
    assert "idp" not in answer.headers.get("Location", "")
    assert answer.status in {303, 400}


async def test_policy_narrows_the_redirects_of_a_document_too(front: Front):
    front.client_documents.published[URL] = replace(DOCUMENT, redirect_uris=(WEB, "unknown.app://cb"))
    error_page(await front.browser().ask(URL, redirect_uri="unknown.app://cb"), 400, "wrong address")
    assert (await front.browser().ask(URL)).status == 200


async def test_a_source_cannot_make_us_fetch_without_end():
    async with documented(limits=Budgets(documents=Budget(per_hour=1, burst=2))) as front:
        urls = [f"https://clients.example/{number}" for number in range(3)]
        answers = [await front.browser().ask(url) for url in urls]
        assert [answer.status for answer in answers] == [400, 400, 429]
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert front.client_documents.fetched == urls[:2]


@pytest.mark.req(79)
async def test_a_documented_client_has_no_secret(front: Front):
    status, answer = await token(front, client_secret="guess", grant_type="refresh_token", refresh_token="dcrr_x")
    assert (status, answer["error"]) == (401, "invalid_client")


@pytest.mark.req(84)
async def test_a_denied_document_is_not_fetched(front: Front):
    await front.store.deny(URL)
    error_page(await front.browser().ask(URL), 400, "not known here")
    assert front.client_documents.fetched == []


@pytest.mark.req(85)
async def test_documents_leave_registration_on(front: Front):
    async with front.session.get(front.base + "/.well-known/oauth-authorization-server", headers=HOST) as response:
        metadata = await response.json()
    assert metadata["client_id_metadata_document_supported"] is True
    assert "none" in metadata["token_endpoint_auth_methods_supported"]
    assert metadata["registration_endpoint"] == f"{ISS}/register"
    client = await front.register(WEB)
    assert (await front.browser().ask(client)).status == 200


async def test_the_registry_knows_who_came_and_what_it_says_of_itself(front: Front):
    await sign_in(front)
    entry = await front.store.registered(URL)
    assert entry is not None
    assert entry.metadata["client_name"] == "Documented App"
    front.client_documents.published[URL] = replace(DOCUMENT, name="Renamed")
    await sign_in(front)
    renamed = await front.store.registered(URL)
    assert renamed is not None
    assert (renamed.metadata["client_name"], renamed.created_at) == ("Renamed", entry.created_at)


async def test_scopes_of_documents_have_a_limit_of_their_own():
    async with documented(scopes=("notes.read",)) as front:
        page = await front.browser().ask(URL, scope="notes.read notes.write")
        assert page.status == 200
        assert "notes.write" not in page.visible
        client = await front.register(WEB)
        assert "notes.write" in (await front.browser().ask(client, scope="notes.read notes.write")).visible
    async with documented(scopes=("elsewhere",)) as front:
        told = await front.browser().ask(URL)
        assert told.query["error"] == "invalid_scope"


def test_the_query_of_a_document_id_survives():
    assert "clients.example%2Fapp.json" in query(URL)
