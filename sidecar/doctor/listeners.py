"""The sidecar's own readiness, and whether the MCP servers listen. Pure."""

import orjson

from sidecar.doctor.finding import Finding, fine, found
from sidecar.doctor.seen import Reply

_OK = 200


def judge_ready(where: str, reply: Reply) -> Finding:
    if reply.status == _OK:
        return fine("listeners", where, "the sidecar is up and ready")
    said = _status(reply.body)
    return found("sidecar-not-ready", where, f"the sidecar runs but is not ready: {said or f'status {reply.status}'}")


def _status(body: bytes) -> str:
    try:
        said = orjson.loads(body)["status"]
    except (ValueError, LookupError, TypeError):
        return ""
    return said if isinstance(said, str) else ""
