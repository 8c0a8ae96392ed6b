"""Which checks there are, each asking its part of the deployment and judging the answer; and all of them at once.

A check that takes too long, or breaks, ends in a finding of its own: the others are told all the same.
"""

import asyncio
import contextlib
import re
import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sidecar import keyfile
from sidecar.clock import Clock, Entropy, Monotonic, system_clock, system_entropy, system_monotonic
from sidecar.directory import Server
from sidecar.doctor import look_at_envoy, look_at_idp, look_at_pools, look_at_store
from sidecar.doctor.deployment import Deployment, Options
from sidecar.doctor.envoy import address_of, judge_envoy
from sidecar.doctor.finding import Finding, fine, found
from sidecar.doctor.keys import judge_keys
from sidecar.doctor.kinds import Group
from sidecar.doctor.listeners import judge_ready
from sidecar.doctor.pools import judge_pools
from sidecar.doctor.store import judge_store
from sidecar.doctor.web import NotReached, ask, plainly
from sidecar.records import Pool

_CONNECT_SECONDS = 3.0
_READY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Sources:
    clock: Clock = system_clock
    monotonic: Monotonic = system_monotonic
    entropy: Entropy = system_entropy


@dataclass(frozen=True, slots=True)
class Check:
    """`name` says what is being looked at; one group may have several."""

    group: Group
    name: str
    run: Callable[[Deployment, Options, Sources], Awaitable[Iterable[Finding]]]


Told = Callable[[str], None]
"""Hears the name of each check that is done."""


async def _config(deployment: Deployment, _options: Options, _sources: Sources) -> Iterable[Finding]:
    servers = ", ".join(server.name for server in deployment.directory.servers)
    return [
        fine("config", "", f"loads; it serves {servers}"),
        *(found("config-warning", *_warning(text)) for text in deployment.warnings if not _told_elsewhere(text)),
    ]


async def _keys(deployment: Deployment, _options: Options, sources: Sources) -> Iterable[Finding]:
    exposed = bool(deployment.keys_file) and keyfile.exposed(Path(deployment.keys_file))
    return judge_keys(deployment.keys, deployment.keys_file, exposed=exposed, now=sources.clock())


async def _store(deployment: Deployment, _options: Options, sources: Sources) -> Iterable[Finding]:
    seen = await look_at_store.look(deployment.store, clock=sources.clock, monotonic=sources.monotonic)
    return judge_store(seen, deployment.store)


async def _idps(deployment: Deployment, options: Options, sources: Sources) -> Iterable[Finding]:
    directory = deployment.directory
    seen = await look_at_pools.look(deployment, entropy=sources.entropy)

    async def one(pool: Pool) -> Sequence[Finding]:
        told = await look_at_idp.look(
            pool,
            directory.callbacks_of(pool.name),
            clock=sources.clock,
            entropy=sources.entropy,
            post=options.idp_post,
            own=seen.registrations.get(pool.name),
        )
        return [replace(each, stored=pool.name not in directory.pools) for each in told]

    told = await asyncio.gather(*map(one, seen.pools.values()))
    return [*judge_pools(seen, directory), *(finding for findings in told for finding in findings)]


async def _envoy(deployment: Deployment, _options: Options, _sources: Sources) -> Iterable[Finding]:
    try:
        running = await look_at_envoy.look(deployment.envoy_admin)
    except NotReached as error:
        return [found("envoy-unseen", deployment.envoy_admin, f"Envoy's running configuration is not seen: {error}")]
    return judge_envoy(running, deployment.plan, deployment.envoy_admin)


async def _ready(deployment: Deployment, _options: Options, _sources: Sources) -> Iterable[Finding]:
    try:
        return [judge_ready(deployment.ops, await ask(deployment.ops, "/readyz", limit=_READY_BYTES))]
    except NotReached as error:
        return [found("sidecar-down", deployment.ops, f"the sidecar's ops listener was not reached: {error}")]


async def _origins(deployment: Deployment, _options: Options, _sources: Sources) -> Iterable[Finding]:
    async def one(server: Server) -> Finding:
        place = f"servers[{server.name}].origin"
        why = await _unconnected(*address_of(server.origin))
        if why:
            return found("origin-down", place, f"{server.origin} was not reached from here: {why}")
        return fine("listeners", place, f"{server.origin} listens")

    return await asyncio.gather(*(one(server) for server in deployment.directory.servers))


async def _egress(deployment: Deployment, _options: Options, _sources: Sources) -> Iterable[Finding]:
    async def one(host: str, port: int) -> Finding:
        why = await _unconnected(host, port)
        if why:
            return found("egress-blocked", f"{host}:{port}", f"client documents could not be fetched there: {why}")
        return fine("egress", f"{host}:{port}", "can be connected to")

    return await asyncio.gather(*(one(host, port) for host, port in deployment.egress))


CHECKS: Sequence[Check] = (
    Check("config", "configuration", _config),
    Check("keys", "key file", _keys),
    Check("store", "store", _store),
    Check("idp", "identity providers", _idps),
    Check("envoy", "Envoy", _envoy),
    Check("listeners", "sidecar", _ready),
    Check("listeners", "MCP servers", _origins),
    Check("egress", "way out", _egress),
)


async def examine(
    deployment: Deployment,
    options: Options,
    *,
    sources: Sources = Sources(),
    told: Told | None = None,
) -> tuple[Finding, ...]:
    """What all checks found, in their order. Takes `options.seconds` at most."""
    wanted = [check for check in CHECKS if not options.only or check.group in options.only]

    async def one(check: Check) -> Sequence[Finding]:
        try:
            async with asyncio.timeout(options.seconds):
                findings = list(await check.run(deployment, options, sources))
        except TimeoutError:
            findings = [found("check-late", check.name, f"no result within {options.seconds:g} s")]
        except Exception as error:  # noqa: BLE001 - a broken check must not hide what the others found
            # Its words may hold what must not be shown; its kind and place do not.
            findings = [found("check-broken", check.name, f"internal error: {type(error).__name__}{_place(error)}")]
        if told is not None:
            told(check.name)
        return findings

    return tuple(finding for findings in await asyncio.gather(*map(one, wanted)) for finding in findings)


def _warning(text: str) -> tuple[str, str]:
    key, colon, rest = text.partition(": ")
    return (key, rest) if colon and " " not in key else ("", text)


def _told_elsewhere(text: str) -> bool:
    """The check of the key file says it, too; and that of the pools knows what stands in the store."""
    return text.startswith("keys.file: every user") or re.match(r"servers\[[^]]*\]\.pool: ", text) is not None


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


async def _unconnected(host: str, port: int) -> str:
    """Why there is no connection; empty when there is one. Nothing is sent."""
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return "no answer in time"
    except OSError as error:
        return plainly(error)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ""
