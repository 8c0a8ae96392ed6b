"""What the store may answer instead of doing it, on a real Redis, and what each endpoint then says (design 11)."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from redis import Redis, RedisError

from sidecar.oauth.pkce import s256
from tests.deep.store_traffic import Member, posted, signed_in
from tests.flows.person import REDIRECT
from tests.flows.running import Answer, Running, running
from tests.store.servers import Running as Server
from tests.store.servers import free_port, redis_binary
from tests.store.servers import running as server_running

PASSWORD = "pw"


@dataclass(frozen=True)
class Refusal:
    outcome: str
    """As the metric has it."""
    said: str
    """As the log has it."""
    begin: Callable[[Redis, Server], None]
    end: Callable[[Redis, Server], None]
    reads: bool = False
    """Whether what only reads goes on."""
    ready: bool = False


def no_memory(admin: Redis, _server: Server) -> None:
    admin.config_set("maxmemory", "1")


def memory(admin: Redis, _server: Server) -> None:
    admin.config_set("maxmemory", "0")


def replica(admin: Redis, _server: Server) -> None:
    admin.replicaof("127.0.0.1", "1")


def stale(admin: Redis, server: Server) -> None:
    admin.config_set("replica-serve-stale-data", "no")
    replica(admin, server)


def primary(admin: Redis, _server: Server) -> None:
    admin.replicaof("NO", "ONE")
    admin.config_set("replica-serve-stale-data", "yes")


def replicas_wanted(admin: Redis, _server: Server) -> None:
    admin.config_set("min-replicas-to-write", "1")


def replicas_not_wanted(admin: Redis, _server: Server) -> None:
    admin.config_set("min-replicas-to-write", "0")


def disk_full(admin: Redis, server: Server) -> None:
    """A directory stands where the snapshot goes: as good as no room for it."""
    Path(server.socket).with_name("dump.rdb").mkdir()
    admin.config_set("save", "3600 1")
    admin.bgsave()
    while admin.info("persistence")["rdb_last_bgsave_status"] == "ok":
        pass


def disk(admin: Redis, server: Server) -> None:
    Path(server.socket).with_name("dump.rdb").rmdir()
    admin.config_set("save", "")


def script_runs(admin: Redis, server: Server) -> None:
    """Somebody else's, for ever."""

    def run() -> None:
        with suppress(RedisError), Redis(unix_socket_path=server.socket, password=PASSWORD) as other:
            other.eval("while true do end", 0)

    threading.Thread(target=run, daemon=True).start()
    while True:
        try:
            admin.ping()
        except RedisError:
            return


def script_ends(admin: Redis, _server: Server) -> None:
    admin.script_kill()


def other_password(admin: Redis, _server: Server) -> None:
    admin.config_set("requirepass", "another")
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def old_password(admin: Redis, _server: Server) -> None:
    admin.config_set("requirepass", PASSWORD)


def no_scripts(admin: Redis, _server: Server) -> None:
    admin.execute_command("ACL", "SETUSER", "default", "-eval", "-evalsha")


def scripts(admin: Redis, _server: Server) -> None:
    admin.execute_command("ACL", "SETUSER", "default", "+@all")


REFUSALS = (
    Refusal("oom", "out of memory", no_memory, memory, reads=True, ready=True),
    Refusal("readonly", "read-only", replica, primary, reads=True, ready=True),
    Refusal("masterdown", "primary is down", stale, primary),
    Refusal("noreplicas", "too few replicas", replicas_wanted, replicas_not_wanted, reads=True, ready=True),
    Refusal("misconf", "cannot persist", disk_full, disk, reads=True),
    Refusal("busy", "busy with a script", script_runs, script_ends),
    Refusal("credentials", "refused our credentials", other_password, old_password),
    Refusal("noperm", "may not do this", no_scripts, scripts, reads=True, ready=True),
)


async def test_every_refusal_is_503_with_a_cause_and_changes_nothing(tmp_path: Path) -> None:
    """One sidecar meets them all, one after the other, and its user is signed in all the time."""
    options = ("--requirepass", PASSWORD, "--busy-reply-threshold", "50", "--repl-timeout", "2")
    if "6.2" in Path(redis_binary()).parts[-1]:
        options = options[:2]
    with server_running(redis_binary(), *options, port=free_port()) as server:
        store = {"url": f"redis://:{PASSWORD}@127.0.0.1:{server.port}", "timeout_ms": 2000}
        async with running(tmp_path, more={"store": store}) as demo:
            member = await signed_in(demo, "alice")
            found = {}
            for refusal in REFUSALS:
                with Redis(unix_socket_path=server.socket, password=PASSWORD) as admin:
                    found[refusal.outcome] = await _met(demo, member, refusal, admin, server)
            wanted = {refusal.outcome: _wanted(refusal) for refusal in REFUSALS}
            assert found == wanted


def _wanted(refusal: Refusal) -> dict[str, object]:
    read = "ok" if refusal.reads else "503"
    return {
        "call": read,
        "authorize": read,
        "token": "503",
        "register": "503",
        "readyz": "ok" if refusal.ready else "503",
        "counted": True,
        "logged": True,
        "the same refresh token afterwards": "ok",
    }


async def _met(demo: Running, member: Member, refusal: Refusal, admin: Redis, server: Server) -> dict[str, object]:
    log = demo.stack.plan.folder.log("sidecar")
    before, counted = log.stat().st_size, await _counted(demo, refusal.outcome)
    async with _refusing(refusal, admin, server):
        await asyncio.sleep(2.5)  # a remembered decision is two seconds old at most
        seen: dict[str, object] = {
            "call": _short(await demo.call(member.access)),
            "authorize": _short(await demo.request("GET", _authorize_url(demo, member))),
            "token": _short(await _refresh(demo, member)),
            "register": _short(
                await demo.request("POST", f"{demo.origin}/register", json={"redirect_uris": [REDIRECT]})
            ),
            "readyz": _short(await demo.request("GET", f"{demo.stack.ops}/readyz"), retry=False),
            "counted": await _counted(demo, refusal.outcome) > counted,
        }
    with log.open("rb") as lines:
        lines.seek(before)
        seen["logged"] = refusal.said in lines.read().decode()
    until = time.monotonic() + 10
    while (answer := await _refresh(demo, member)).status == 503 and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    seen["the same refresh token afterwards"] = _short(answer)
    if answer.status == 200:
        member.access, member.refresh = answer.json["access_token"], answer.json["refresh_token"]
    return seen


@asynccontextmanager
async def _refusing(refusal: Refusal, admin: Redis, server: Server) -> AsyncIterator[None]:
    refusal.begin(admin, server)
    try:
        yield
    finally:
        refusal.end(admin, server)


def _short(answer: Answer, *, retry: bool = True) -> str:
    if answer.status == 503:
        return "503" if not retry or int(answer.headers.get("retry-after", "0")) >= 1 else "503 without Retry-After"
    return str(answer.status) if answer.status in {401, 403, 404, 429, 500} else "ok"


async def _refresh(demo: Running, member: Member) -> Answer:
    return await posted(demo, "/token", member, {"grant_type": "refresh_token", "refresh_token": member.refresh})


def _authorize_url(demo: Running, member: Member) -> str:
    query = {
        "response_type": "code",
        "client_id": member.client_id,
        "redirect_uri": REDIRECT,
        "code_challenge": s256("v" * 43),
        "code_challenge_method": "S256",
        "resource": demo.url,
    }
    return f"{demo.origin}/authorize?{urlencode(query)}"


async def _counted(demo: Running, outcome: str) -> float:
    lines = (await demo.request("GET", f"{demo.stack.ops}/metrics")).body.splitlines()
    counts = (line for line in lines if line.startswith("dcr_sidecar_store_calls_total{"))
    return sum(float(line.split()[-1]) for line in counts if f'outcome="{outcome}"' in line)
