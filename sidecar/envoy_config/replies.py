"""Bodies and headers of the answers that Envoy gives itself.

Envoy drops body and headers of a 5xx from the check, so what a client may read then is written here. Answers that the
check did give (401, 403, 404, 429, 204) pass untouched.
"""

from collections.abc import Mapping, Sequence

from sidecar import headers
from sidecar.envoy_config.typed import EXT_AUTHZ, Doc, overwrite

RETRY_SECONDS = 2

_STATUSES: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request", "The request is malformed."),
    403: ("access_denied", "The request is not allowed."),
    404: ("not_found", "Nothing is served here."),
    408: ("invalid_request", "The request took too long."),
    413: ("invalid_request", "The request is too large."),
    426: ("invalid_request", "This protocol is not supported."),
    431: ("invalid_request", "The request headers are too large."),
    500: ("server_error", "The server could not answer."),
    501: ("invalid_request", "This transfer coding is not supported."),
}
UNAVAILABLE = ("temporarily_unavailable", "The server cannot answer right now. Try again.")

# The check adds CORS headers to what it allowed; these are for answers that it had no say in. Fixed text, no
# credentials, so anybody's script may read it.
_READABLE = [
    overwrite("access-control-allow-origin", "*"),
    overwrite("access-control-expose-headers", "retry-after"),
]
_LATER = [overwrite("retry-after", str(RETRY_SECONDS)), overwrite("cache-control", "no-store")]


def local_replies() -> Doc:
    """The first mapper that matches wins."""
    unavailable = _any(_status(502), _status(503), _status(504))
    return {
        "mappers": [
            # The check failed, did not answer, or said 5xx.
            _reply(_all(_denied(), _status(503)), *UNAVAILABLE, [*_LATER, *_READABLE]),
            # Everything else with this flag is an answer of the check's.
            {"filter": _denied()},
            # The oauth listener is away. Not for browser pages (/authorize, /callback), which no script reads.
            _reply(_all(unavailable, _undecided(), _not_a_page()), *UNAVAILABLE, [*_LATER, *_READABLE]),
            _reply(unavailable, *UNAVAILABLE, _LATER),
            *(_reply(_status(status), *texts, []) for status, texts in _STATUSES.items()),
        ],
    }


def _reply(condition: Doc, error: str, text: str, added: Sequence[Doc]) -> Doc:
    body = {"json_format": {"error": error, "error_description": text}, "content_type": "application/json"}
    return {"filter": condition, "body_format_override": body, **({"headers_to_add": list(added)} if added else {})}


def _denied() -> Doc:
    return {"response_flag_filter": {"flags": ["UAEX"]}}


def _undecided() -> Doc:
    """Whether the check has not allowed this request: its allow always names the server.

    Envoy's filter knows `invert` but does not look at it, so: absent, or empty.
    """
    server = [{"key": f"{headers.LOG_PREFIX}server"}]
    matcher = {"filter": EXT_AUTHZ, "path": server, "value": {"string_match": {"exact": ""}}}
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": True}}


def _not_a_page() -> Doc:
    pages = {"safe_regex": {"regex": r"[^?]*/(authorize|callback)(\?.*)?"}}
    return {"header_filter": {"header": {"name": ":path", "string_match": pages, "invert_match": True}}}


def _status(code: int) -> Doc:
    value = {"default_value": code, "runtime_key": f"dcr_sidecar.reply.{code}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _all(*filters: Doc) -> Doc:
    return {"and_filter": {"filters": list(filters)}}


def _any(*filters: Doc) -> Doc:
    return {"or_filter": {"filters": list(filters)}}
