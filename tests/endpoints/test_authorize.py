"""/authorize: which requests are shown to the user, which go back to the client, which stay with us."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest

from sidecar.events import AuthorizationRefused, ConsentAsked
from tests.endpoints.front import CHALLENGE, ISS, NOTES, RESOURCE, Answer, Front, query, running_front

WEB = "https://app.example/cb"
LOOPBACK = "http://127.0.0.1:5000/cb"


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with running_front() as running:
        yield running


def shown(answer: Answer) -> bool:
    return answer.status == 200 and 'name="form"' in answer.text


def local_page(answer: Answer, code: str, status: int = 400) -> None:
    assert answer.status == status
    assert "Location" not in answer.headers
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert code in answer.visible


def told(answer: Answer, error: str, *, state: str | None = "client-state") -> None:
    """The client learns it, with state (if it sent one) and iss, once each."""
    assert answer.status == 303, answer.text
    assert answer.location.startswith(WEB)
    expected = {"error": error, "iss": ISS} | ({} if state is None else {"state": state})
    assert {name: value for name, value in answer.query.items() if name != "error_description"} == expected


@pytest.mark.req(86)
@pytest.mark.parametrize(
    "client_id",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("nobody", id="unknown"),
        pytest.param("dcr1-" + "A" * 80, id="forged"),
        pytest.param("upstream-client", id="the upstream's own id"),
        pytest.param("x" * 5000, id="long"),
        pytest.param("\u202eevil\x07", id="control characters"),
    ],
)
async def test_an_unknown_client_gets_a_page_that_says_how_to_reconnect(front: Front, client_id: str | None):
    answer = await front.browser().ask(client_id)
    local_page(answer, "invalid_client" if client_id else "invalid_request")
    if client_id:
        assert "remove the connection to this server and add it again" in answer.visible
    refusal = front.seen(AuthorizationRefused)[0]
    assert refusal.step == "authorize"
    assert answer.headers["x-dcr-reference"] in answer.visible
    assert front.store.calls.count("spend_form") == 0


@pytest.mark.req(86)
async def test_a_client_of_another_issuer_is_unknown(front: Front):
    other = "https://other.example.com"
    servers = (NOTES, replace(NOTES, name="tasks", resource=f"{other}/mcp", issuer=other))
    async with running_front(*servers, issuers=(ISS, other)) as two:
        client = await two.register(WEB)
        assert shown(await two.browser().ask(client))
        local_page(await two.browser(other).ask(client, resource=f"{other}/mcp"), "invalid_client")


@pytest.mark.req(86, 87)
@pytest.mark.parametrize(
    "requested",
    [
        pytest.param("https://app.example/cb/", id="slash added"),
        pytest.param("https://app.example/CB", id="path case"),
        pytest.param("https://App.example/cb", id="host case"),
        pytest.param("HTTPS://app.example/cb", id="scheme case"),
        pytest.param("https://app.example:443/cb", id="default port"),
        pytest.param("https://app.example:8443/cb", id="other port"),
        pytest.param("https://app.example/cb?x=1", id="query added"),
        pytest.param("https://app.example/cb?", id="empty query"),
        pytest.param("https://app.example/cb#f", id="fragment"),
        pytest.param("https://app.example/%63b", id="percent-encoded"),
        pytest.param("https://app.example/x/../cb", id="dot segments"),
        pytest.param("https://app.example/cb/more", id="prefix"),
        pytest.param("https://app.example.evil/cb", id="suffixed host"),
        pytest.param("https://u@app.example/cb", id="userinfo"),
        pytest.param("http://app.example/cb", id="plain http"),
        pytest.param("//app.example/cb", id="no scheme"),
        pytest.param("javascript:alert(1)", id="javascript"),
        pytest.param("https://evil.example/cb", id="elsewhere"),
        pytest.param("https://app.example/cb\r\nX: 1", id="line break"),
    ],
)
async def test_only_the_registered_redirect_uri_itself_is_accepted(front: Front, requested: str):
    client = await front.register(WEB)
    answer = await front.browser().ask(client, redirect_uri=requested)
    local_page(answer, "invalid_request")
    assert "evil" not in answer.text


@pytest.mark.req(90)
@pytest.mark.parametrize(
    ("registered", "requested", "accepted"),
    [
        pytest.param("http://127.0.0.1/", "http://127.0.0.1:33418/", True, id="registered without port"),
        pytest.param("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", True, id="another port"),
        pytest.param("http://[::1]:1/cb", "http://[::1]:2/cb", True, id="IPv6"),
        pytest.param("http://localhost:1/cb", "http://localhost:2/cb", True, id="localhost"),
        pytest.param("http://localhost:1/cb", "http://127.0.0.1:1/cb", False, id="another loopback host"),
        pytest.param("http://127.0.0.1:1/cb", "http://127.0.0.1:1/cb/", False, id="another path"),
        pytest.param("http://127.0.0.1:1/cb?a=1", "http://127.0.0.1:2/cb?a=2", False, id="another query"),
        pytest.param("http://127.0.0.1:1/cb", "http://localhost.evil:1/cb", False, id="look-alike host"),
    ],
)
async def test_a_loopback_redirect_may_differ_in_its_port_only(
    front: Front, registered: str, requested: str, accepted: bool
):
    client = await front.register(registered)
    answer = await front.browser().ask(client, redirect_uri=requested)
    assert shown(answer) is accepted
    if not accepted:
        local_page(answer, "invalid_request")


@pytest.mark.req(88)
@pytest.mark.parametrize(
    ("registered", "accepted"),
    [
        pytest.param((WEB,), True, id="one"),
        pytest.param((WEB, "https://app.example/two"), False, id="two"),
        pytest.param((LOOPBACK,), False, id="one loopback"),
        pytest.param((WEB, LOOPBACK), False, id="one of each"),
    ],
)
async def test_the_redirect_uri_may_be_left_out_when_only_one_can_be_meant(
    front: Front, registered: tuple[str, ...], accepted: bool
):
    client = await front.register(*registered)
    tab = front.browser()
    answer = await tab.ask(client, redirect_uri=None)
    assert shown(answer) is accepted
    if accepted:
        assert (await tab.answer(answer.form, "deny")).location.startswith(f"{WEB}?")
    else:
        local_page(answer, "invalid_request")


@pytest.mark.req(89, 99)
@pytest.mark.parametrize(
    ("name", "state"),
    [
        pytest.param("response_type", "client-state", id="response_type"),
        pytest.param("scope", "client-state", id="scope"),
        pytest.param("code_challenge", "client-state", id="code_challenge"),
        pytest.param("code_challenge_method", "client-state", id="method"),
        pytest.param("state", None, id="state"),
    ],
)
async def test_a_repeated_parameter_is_told_to_the_client(front: Front, name: str, state: str | None):
    client = await front.register(WEB)
    told(await front.browser().ask(client, raw=f"&{name}=b"), "invalid_request", state=state)


@pytest.mark.req(86, 89)
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_a_repeated_client_or_redirect_uri_is_never_redirected(front: Front, name: str):
    client = await front.register(WEB)
    value = client if name == "client_id" else WEB
    local_page(await front.browser().ask(client, raw=f"&{name}={quote(value, safe='')}"), "invalid_request")


@pytest.mark.req(89, 97)
async def test_unknown_parameters_are_ignored_and_empty_ones_count_as_absent(front: Front):
    client = await front.register(WEB)
    extra = urlencode(
        {
            "foo": "1",
            "prompt": "consent",
            "audience": "x",
            "nonce": "n",
            "login_hint": "bob",
            "response_mode": "form_post",
            "request": "e30",
            "request_uri": "https://evil.example/r",
            "acr_values": "0",
        }
    )
    assert shown(await front.browser().ask(client, raw=f"&{extra}", scope="", state=""))
    told(await front.browser().ask(client, response_type="", state=""), "invalid_request", state=None)


@pytest.mark.req(91, 99)
@pytest.mark.parametrize(
    ("value", "error"),
    [
        pytest.param("token", "unsupported_response_type", id="token"),
        pytest.param("code token", "unsupported_response_type", id="hybrid"),
        pytest.param("CODE", "unsupported_response_type", id="case"),
        pytest.param(None, "invalid_request", id="missing"),
    ],
)
async def test_only_response_type_code_is_supported(front: Front, value: str | None, error: str):
    client = await front.register(WEB)
    told(await front.browser().ask(client, response_type=value), error)


@pytest.mark.req(92, 93, 99)
@pytest.mark.parametrize(
    ("challenge", "method"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(None, "S256", id="method without challenge"),
        pytest.param(CHALLENGE, None, id="no method means plain"),
        pytest.param(CHALLENGE, "plain", id="plain"),
        pytest.param(CHALLENGE, "s256", id="case"),
        pytest.param(CHALLENGE, "S512", id="S512"),
        pytest.param(CHALLENGE[:-1], "S256", id="42 characters"),
        pytest.param(CHALLENGE + "A", "S256", id="44 characters"),
        pytest.param("v" * 129, "S256", id="129 characters"),
        pytest.param("+" * 43, "S256", id="alphabet"),
        pytest.param(CHALLENGE[:-1] + "=", "S256", id="padding"),
        pytest.param(CHALLENGE[:-1] + "\u0661", "S256", id="Unicode digit"),
    ],
)
async def test_pkce_with_s256_is_required(front: Front, challenge: str | None, method: str | None):
    client = await front.register(WEB)
    answer = await front.browser().ask(client, code_challenge=challenge, code_challenge_method=method)
    told(answer, "invalid_request")
    assert "start" not in front.store.calls


@pytest.mark.req(94)
@pytest.mark.parametrize(
    ("resource", "accepted"),
    [
        pytest.param(RESOURCE, True, id="exact"),
        pytest.param(f"{RESOURCE}/", True, id="trailing slash"),
        pytest.param("HTTPS://MCP.Example.COM/mcp", True, id="scheme and host case"),
        pytest.param("https://mcp.example.com:443/mcp", True, id="default port"),
        pytest.param(f"{RESOURCE}?from=chat", True, id="query as the user typed it"),
        pytest.param("https://mcp.example.com/MCP", False, id="path case"),
        pytest.param("https://mcp.example.com/mcp//", False, id="two slashes"),
        pytest.param("https://mcp.example.com/", False, id="prefix"),
        pytest.param("https://mcp.example.com/mcp/more", False, id="below"),
        pytest.param(f"{RESOURCE}#frag", False, id="fragment"),
        pytest.param(f"{RESOURCE}#", False, id="empty fragment"),
        pytest.param("http://mcp.example.com/mcp", False, id="other scheme"),
        pytest.param("https://mcp.example.com:8443/mcp", False, id="other port"),
        pytest.param("https://mcp.example.com:x/mcp", False, id="no port at all"),
        pytest.param("https://u@mcp.example.com/mcp", False, id="userinfo"),
        pytest.param("https://mcp.example.com/%6dcp", False, id="percent-encoded"),
        pytest.param("https://mcp.example.com/x/../mcp", False, id="dot segments"),
        pytest.param("https://mcp.example.com/m\tcp", False, id="tab"),
        pytest.param("/mcp", False, id="relative"),
        pytest.param("https://evil.example/mcp", False, id="foreign"),
        pytest.param("https://[mcp.example.com/mcp", False, id="not a URL"),
    ],
)
async def test_the_resource_names_a_server_of_this_issuer(front: Front, resource: str, accepted: bool):
    client = await front.register(WEB)
    answer = await front.browser().ask(client, resource=resource)
    if accepted:
        assert shown(answer)
        assert RESOURCE in answer.visible
    else:
        told(answer, "invalid_target")


@pytest.mark.req(94)
async def test_several_resources_are_refused(front: Front):
    client = await front.register(WEB)
    again = quote(RESOURCE, safe="")
    told(await front.browser().ask(client, raw=f"&resource={again}"), "invalid_target")


@pytest.mark.req(95)
async def test_without_a_resource_the_only_server_is_meant_and_several_are_ambiguous(front: Front):
    client = await front.register(WEB)
    assert RESOURCE in (await front.browser().ask(client, resource=None)).visible
    tasks = replace(NOTES, name="tasks", resource=f"{ISS}/tasks")
    async with running_front(NOTES, tasks) as two:
        client = await two.register(WEB)
        told(await two.browser().ask(client, resource=None), "invalid_target")
        assert f"{ISS}/tasks" in (await two.browser().ask(client, resource=f"{ISS}/tasks")).visible


@pytest.mark.req(96)
@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        pytest.param(None, ["notes.read"], id="absent"),
        pytest.param("notes.read", ["notes.read"], id="base"),
        pytest.param("notes.write", ["notes.read", "notes.write"], id="base is always in it"),
        pytest.param("notes.write notes.write notes.read", ["notes.read", "notes.write"], id="repeated"),
        pytest.param("openid offline_access profile", ["notes.read"], id="OpenID Connect scopes"),
        pytest.param("admin notes.read", ["notes.read"], id="unknown"),
        pytest.param('"><b>\r\n', ["notes.read"], id="hostile"),
    ],
)
async def test_scopes_are_never_wider_than_what_the_server_offers(front: Front, scope: str | None, granted: list[str]):
    client = await front.register(WEB)
    answer = await front.browser().ask(client, scope=scope)
    listed = answer.text.partition("<ul>")[2].partition("</ul>")[0]
    assert [part.partition("</code>")[0] for part in listed.split("<code>")[1:]] == granted


@pytest.mark.req(98, 99)
@pytest.mark.parametrize(
    "state",
    [
        pytest.param("a+/=&%20", id="reserved"),
        pytest.param("vscode://x/y?windowId=1&nested=%2525", id="nested URI"),
        pytest.param("a b\tc\r\nSet-Cookie: x=y", id="line breaks"),
        pytest.param("\U0001f642 ünï", id="emoji"),
        pytest.param(json.dumps({"a": ['"', "\\"]}), id="JSON"),
        pytest.param("s" * 4096, id="4 KiB"),
    ],
)
async def test_state_comes_back_byte_for_byte(front: Front, state: str):
    client = await front.register(WEB)
    tab = front.browser()
    told(await tab.ask(client, state=state, response_type="token"), "unsupported_response_type", state=state)
    page = await tab.ask(client, state=state)
    told(await tab.answer(page.form, "deny"), "access_denied", state=state)
    done = await tab.come_back(await tab.leave_for_idp(client, state=state))
    assert done.query["state"] == state


@pytest.mark.req(98, 99)
async def test_no_state_is_invented(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    told(await tab.ask(client, state=None, response_type="x"), "unsupported_response_type", state=None)
    done = await tab.come_back(await tab.leave_for_idp(client, state=None))
    assert done.query.keys() == {"code", "iss"}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("&state=" + "s" * 4097, id="state over the limit"),
        pytest.param("&foo=%ff", id="not UTF-8"),
        pytest.param("&foo=%00", id="NUL"),
        pytest.param("&foo=%zz", id="broken escape"),
        pytest.param("&foo=" + "x" * 20000, id="oversized"),
    ],
)
async def test_what_cannot_be_read_is_a_local_page(front: Front, raw: str):
    client = await front.register(WEB)
    local_page(await front.browser().ask(client, raw=raw, state=None), "invalid_request")
    assert front.seen(AuthorizationRefused)


@pytest.mark.req(100)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_there_is_no_cors_here(front: Front, method: str):
    client = await front.register(WEB)
    path = f"/authorize?{query(client)}"
    answer = await front.browser().request(method, path, headers={"Origin": "https://app.example"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_a_request_may_come_as_a_form(front: Front):
    """RFC 6749 3.1."""
    client = await front.register(WEB)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    tab = front.browser()
    assert shown(await tab.request("POST", "/authorize", data=query(client), headers=headers))
    told(
        await tab.request("POST", "/authorize", data=query(client, response_type="token"), headers=headers),
        "unsupported_response_type",
    )


async def test_query_and_form_are_not_mixed(front: Front):
    client = await front.register(WEB)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await front.browser().request("POST", "/authorize?state=x", data=query(client), headers=headers)
    local_page(answer, "invalid_request")


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("application/json", id="JSON"),
        pytest.param("multipart/form-data; boundary=x", id="multipart"),
        pytest.param("text/plain", id="text"),
    ],
)
async def test_a_body_of_another_type_is_refused(front: Front, content_type: str):
    client = await front.register(WEB)
    answer = await front.browser().request(
        "POST", "/authorize", data=query(client).encode(), headers={"Content-Type": content_type}
    )
    local_page(answer, "invalid_request")


async def test_head_and_get_store_nothing(front: Front):
    """Design 12.5; a prefetch or a link scanner changes nothing."""
    client = await front.register(WEB)
    tab = front.browser()
    front.store.calls.clear()
    head = await tab.ask(client, method="HEAD")
    assert (head.status, head.cookies, front.seen(ConsentAsked)) == (200, (), [])
    assert shown(await tab.ask(client))
    assert len(front.seen(ConsentAsked)) == 1
    assert set(front.store.calls) == {"denied", "registered"}


async def test_a_broken_store_is_a_page_that_says_to_wait(front: Front):
    client = await front.register(WEB)
    front.store.broken.add("registered")
    answer = await front.browser().ask(client)
    local_page(answer, "temporarily_unavailable", 503)
    assert "canary-store-text" not in answer.text


async def test_another_method_is_not_served(front: Front):
    client = await front.register(WEB)
    answer = await front.browser().ask(client, method="PUT")
    assert answer.status == 405
    assert json.loads(answer.text)["error"] == "invalid_request"
