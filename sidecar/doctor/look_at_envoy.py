"""Asks a running Envoy what it runs. Owns no form of it: that is `dump`'s."""

import orjson

from sidecar.doctor.dump import read
from sidecar.doctor.seen import Doc, Running
from sidecar.doctor.web import NotReached, ask

_LIMIT = 64 * 1024 * 1024
_SECONDS = 8.0
_OK = 200


async def look(admin: str) -> Running:
    """Raises NotReached, also for what is no admin page of Envoy."""
    info = _object(await _get(admin, "/server_info"), "/server_info")
    dump = _object(await _get(admin, "/config_dump?include_eds"), "/config_dump")
    return read(info, dump)


async def _get(admin: str, path: str) -> bytes:
    reply = await ask(admin, path, limit=_LIMIT, seconds=_SECONDS)
    if reply.status != _OK:
        raise NotReached(f"{path} answers status {reply.status}")
    return reply.body


def _object(body: bytes, path: str) -> Doc:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise NotReached(f"{path} is not what Envoy's admin page says")
    return found
