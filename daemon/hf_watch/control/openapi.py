"""The description of the control socket's API, from the same models that make its answers: OpenAPI 3.1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from hf_watch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

JSON = "application/json"
REFERENCE = "#/components/schemas/{model}"
REFUSALS = {
    "400": "the request is not understood",
    "403": "a web page of somebody else asked for it",
    "404": "there is no such target, or no such path",
    "408": "the body did not come",
    "413": "the body is too long",
    "421": "the Host header names nobody here",
    "422": "the body is JSON, and not what it should be",
    "503": "it cannot be done at the moment",
}


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter of a GET."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    description: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: what it is asked and what it answers."""

    name: str
    method: str
    path: str
    answer: type[BaseModel]
    question: type[BaseModel] | None = None
    queries: tuple[Query, ...] = ()
    media_type: str = JSON


def document(operations: Sequence[Operation], summaries: Mapping[str, str], refusal: type[BaseModel]) -> dict[str, Any]:
    """The whole document; `summaries` by the operations' names."""
    answers = [(each.answer, "serialization") for each in operations]
    questions = [(each.question, "validation") for each in operations if each.question is not None]
    models: list[Any] = list(dict.fromkeys([*answers, *questions, (refusal, "serialization")]))
    _, schemas = models_json_schema(models, ref_template=REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {"title": "hf-watch control socket", "version": __version__},
        "paths": {
            each.path: {each.method.lower(): _operation(each, summaries[each.name], refusal)} for each in operations
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _operation(operation: Operation, summary: str, refusal: type[BaseModel]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": summary,
        "responses": {
            "200": {"description": "done", "content": _content(operation.answer, operation.media_type)},
            **{code: {"description": text, "content": _content(refusal)} for code, text in REFUSALS.items()},
        },
    }
    if operation.queries:
        found["parameters"] = [
            {
                "name": each.name, "in": "query", "required": False, "schema": dict(each.schema),
                **({"description": each.description} if each.description else {}),
            }
            for each in operation.queries
        ]  # fmt: skip
    if operation.question is not None:
        found["requestBody"] = {"required": False, "content": _content(operation.question)}
    return found


def _content(model: type[BaseModel], media_type: str = JSON) -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}}
