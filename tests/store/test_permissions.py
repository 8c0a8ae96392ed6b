"""The suite as a user that may run what the doctor asks for, on our keys and channel, and nothing else."""

import re
from pathlib import Path

import pytest
from redis.asyncio import Redis

from sidecar import store as package
from sidecar.doctor.permissions import COMMANDS
from sidecar.store.base import News
from sidecar.store.redis import open_store
from tests.store.build import redeemed
from tests.store.conformance import *  # noqa: F403
from tests.store.servers import redis_binary, running, valkey_binary

ALLOWED = sorted({command[0].lower() for command in COMMANDS})
PEEKING = ("scard", "ttl")
"""What tests of the suite ask through the store, and the store itself never."""
LOGIN = {"username": "sidecar", "password": "pw"}


@pytest.fixture(scope="module", params=[valkey_binary, redis_binary], ids=["valkey", "redis"])
def url(request):
    with running(request.param()) as server:
        yield server.url


@pytest.fixture
async def client(url):
    """May do everything, to look behind the store's back."""
    async with Redis.from_url(url) as client:
        yield client


@pytest.fixture
async def store(client, url, prefix, unreadable):
    keys = (f"~{prefix}:*", f"&{prefix}:*")
    rules = ("reset", "on", ">pw", "resetchannels", *keys, *(f"+{name}" for name in (*ALLOWED, *PEEKING)))
    await client.execute_command("ACL", "SETUSER", LOGIN["username"], *rules)
    await client.execute_command("ACL", "LOG", "RESET")
    login = f"{url}?username={LOGIN['username']}&password={LOGIN['password']}"
    async with open_store(login, prefix=prefix, timeout_ms=10_000, on_unreadable=unreadable.append) as store:
        yield store
    denied = await client.execute_command("ACL", "LOG")
    assert denied == [], "the list in sidecar/doctor/permissions.py lacks something"


async def test_news_need_nothing_more(store):
    news = store.news()
    assert await anext(news) == News("up")
    state = await redeemed(store)
    await store.revoke(state.grant.id)
    assert await anext(news) == News("grant", state.grant.id)
    await news.aclose()


def test_the_list_is_what_the_adapter_says():
    """What no code of ours runs needs no permission."""
    folder = Path(package.__file__).parent
    scripts = re.findall(r"redis\.call\('([A-Z]+)'", "".join(path.read_text() for path in folder.glob("lua/*.lua")))
    commands = re.findall(
        r"(?:command|execute_command)\(\s*\"([A-Z]+)\"",
        "".join(path.read_text() for path in folder.glob("redis*.py")),
    )
    wait = {"WAIT", "SET"}
    spoken = {*scripts, *commands, "EVAL", "EVALSHA", "SUBSCRIBE"} - wait
    assert spoken == {command[0] for command in COMMANDS} - wait


def test_the_schema_document_has_the_same_list():
    text = (Path(package.__file__).parent / "SCHEMA.md").read_text()
    written = re.search(r"```\n~P:\* &P:\* ([^`]*)```", text)
    assert written, "SCHEMA.md has no rule for an ACL user"
    assert written[1].split() == [f"+{name}" for name in ALLOWED]
