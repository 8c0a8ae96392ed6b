"""The table of operations as an OpenAPI 3.1 document. Owns its form; every name and type comes from the table."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from sidecar import __version__
from sidecar.handlers.admin.guard import NotAnOperator
from sidecar.handlers.admin.operations import Operation
from sidecar.oauth.errors import (
    InvalidRequest,
    OAuthError,
    PayloadTooLarge,
    TemporarilyUnavailable,
    TooManyRequests,
    UnsupportedMediaType,
)

_REF = "#/components/schemas/{model}"
_EVERY_CALL: tuple[type[OAuthError], ...] = (InvalidRequest, NotAnOperator, TooManyRequests, TemporarilyUnavailable)
_WITH_BODY: tuple[type[OAuthError], ...] = (PayloadTooLarge, UnsupportedMediaType)
_Json = dict[str, Any]


class Refusal(BaseModel):
    """Why a call was refused."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    error: str
    """A fixed code."""
    error_description: str
    """For people."""


def document(operations: Sequence[Operation[Any]]) -> _Json:
    schemas = _schemas(operations)
    asked = {name: schemas.pop(name) for name in dict.fromkeys(each.asked.__name__ for each in operations)}
    paths: dict[str, _Json] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, asked[each.asked.__name__])
    return {
        "openapi": "3.1.0",
        "info": {"title": "dcr-sidecar admin API", "version": __version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
        },
    }


def _schemas(operations: Iterable[Operation[Any]]) -> dict[str, _Json]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Refusal, "serialization")]
    for each in operations:
        wanted.append((each.asked, "validation"))
        if each.answer is not None:
            wanted.append((each.answer, "serialization"))
    _, whole = models_json_schema(list(dict.fromkeys(wanted)), ref_template=_REF)
    schemas: dict[str, _Json] = whole["$defs"]
    return schemas


def _operation(operation: Operation[Any], asked: Mapping[str, Any]) -> _Json:
    required = asked.get("required", ())
    members = {name: dict(schema) for name, schema in asked.get("properties", {}).items()}
    body = members.pop("body", None) if operation.takes_body else None
    found: _Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [
            _parameter(name, schema, in_path=name in operation.in_path, required=name in required)
            for name, schema in members.items()
        ],
        "responses": _responses(operation),
    }
    if body is not None:
        found["requestBody"] = {"required": "body" in required, "content": {"application/json": {"schema": body}}}
    return found


def _parameter(name: str, schema: _Json, *, in_path: bool, required: bool) -> _Json:
    where = {"name": name, "in": "path" if in_path else "query", "required": in_path or required}
    said = {"description": schema.pop("description")} if "description" in schema else {}
    return {**where, **said, "schema": schema}


def _responses(operation: Operation[Any]) -> _Json:
    status = operation.status if operation.answer else HTTPStatus.NO_CONTENT
    done: _Json = {"description": HTTPStatus(status).phrase}
    if operation.answer is not None:
        done["content"] = _json_of(operation.answer)
    refused: dict[str, list[type[OAuthError]]] = {}
    for kind in (*_EVERY_CALL, *(_WITH_BODY if operation.takes_body else ()), *operation.refusals):
        refused.setdefault(str(kind.status), []).append(kind)
    return {
        str(int(status)): done,
        **{
            code: {"description": " ".join(kind.default for kind in kinds), "content": _json_of(Refusal)}
            for code, kinds in sorted(refused.items())
        },
    }


def _json_of(model: type[BaseModel]) -> _Json:
    return {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}
