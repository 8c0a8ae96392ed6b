"""The row of the admin API's table: an operation, the types of what it takes and gives, and its route.

Parses what was asked into one checked value, calls, renders. Owns no resource, and no rule about who may ask.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from sidecar.handlers.middleware import JSON, NO_STORE, path_of, read_body
from sidecar.oauth.errors import InvalidRequest, OAuthError

_BODY = "body"
_UNSAYABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")  # RFC 6749 5.2


class Asked(BaseModel):
    """What a call takes, as one value.

    The members that its path names, the JSON `body` if it has one, and the query for all others. Nothing else is taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


A = TypeVar("A", bound=Asked)


@dataclass(frozen=True, slots=True)
class Operation(Generic[A]):
    """`path` is below the listener's root; `{name}` in it is the member `name` of `asked`, percent-encoded."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    name: str
    """OpenAPI's operationId."""
    summary: str
    asked: type[A]
    answer: type[BaseModel] | None
    """None: 204."""
    handle: Callable[[A], Awaitable[BaseModel | None]]
    refusals: tuple[type[OAuthError], ...] = ()
    """Beside those that every call may get."""
    status: int = 200

    @property
    def in_path(self) -> tuple[str, ...]:
        return tuple(step[1:-1] for step in self.path.split("/") if step.startswith("{"))

    @property
    def takes_body(self) -> bool:
        return _BODY in self.asked.model_fields


class Resource(Protocol):
    def operations(self) -> Iterable[Operation[Any]]: ...


def route(operation: Operation[Any]) -> web.RouteDef:
    async def serve(request: web.Request) -> web.Response:
        answer = await operation.handle(await _asked(operation, request))
        if answer is None:
            return web.Response(status=204, headers=NO_STORE)
        body = answer.model_dump_json().encode()
        return web.Response(body=body, status=operation.status, headers=NO_STORE, content_type=JSON)

    more = {"allow_head": False} if operation.method == "GET" else {}
    return web.RouteDef(operation.method, operation.path, serve, more)


async def _asked(operation: Operation[A], request: web.Request) -> A:
    reserved = {*operation.in_path, _BODY}
    members: dict[str, object] = {}
    for name, value in request.query.items():
        if name in members or name in reserved:
            raise InvalidRequest("A parameter stands twice, or where it does not belong.", reason="a query parameter")
        members[name] = value
    named, sent = operation.path.split("/"), path_of(request).split("/")
    if len(named) != len(sent):  # not a plain path, though the router made one of it
        raise InvalidRequest(reason="not an origin-form target")
    members |= {name[1:-1]: _decoded(text) for name, text in zip(named, sent, strict=True) if name.startswith("{")}
    if operation.takes_body:
        members[_BODY] = _json(await read_body(request, JSON))
    try:
        return operation.asked.model_validate(members)
    except ValidationError as error:
        raise refusal(error) from None


def _decoded(segment: str) -> str:
    """As it was before it was percent-encoded once: client ids may be URLs, so a slash in one is `%2F`."""
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("A part of the path is not UTF-8.", reason="not UTF-8") from None


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidRequest("The body is not valid JSON.", reason="not JSON") from None


def refusal(error: ValidationError) -> InvalidRequest:
    """Says which members are wrong, and why, in the model's words: operators may know what was expected."""
    said = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        unknown = problem["type"] == "extra_forbidden"
        place = problem["loc"][: -1 if unknown else None]
        where = ".".join(str(step) for step in place[place[:1] == (_BODY,) :])  # members have no name before theirs
        what = "an unknown member or parameter" if unknown else problem["msg"].removeprefix("Value error, ")
        said.append(f"{where}: {what}" if where else what)
    text = _UNSAYABLE.sub("_", "; ".join(said))[:500]
    return InvalidRequest(text, reason=text)
