"""The OpenAPI document says everything: who may ask, what comes back, and what can go wrong."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.cloud import Town

FREE_FORM = {
    # The document of a device type has a schema of its own, and the bytes must stay those that its hash names.
    "get /api/v1/profiles/{profile_hash}": {""},
    # What is worth keeping of an action differs from action to action.
    "get /api/v1/audit": {".items.detail"},
}
"""Operations whose answers have parts without a schema, and where these parts are."""

BYTES = {
    # Signed, in the format of docs/CONTRACT.md; for agents.
    "get /api/v1/gates/roll": "application/octet-stream",
    # A picture.
    "get /api/v1/gates/passes/{pass_id}/qr": "image/svg+xml",
}
"""Operations whose answers are not JSON."""

OPEN_TO_ALL = {"post /api/v1/login", "get /health", "get /metrics"}


@pytest.fixture
def document(town: Town) -> dict[str, Any]:
    app: FastAPI = town.app()
    return app.openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    paths = document["paths"]
    return {f"{method} {path}": one for path, methods in paths.items() for method, one in methods.items()}


def successes(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def free_parts(
    document: dict[str, Any], schema: dict[str, Any], at: str = "", above: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Give the places of a schema where anything may stand."""
    reference = schema.get("$ref", "")
    if reference in above:
        return
    above |= {reference} if reference else set()
    schema = resolve(document, schema)
    choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    for choice in choices:
        yield from free_parts(document, choice, at, above)
    if choices:
        return
    match schema.get("type"):
        case "array":
            yield from free_parts(document, schema.get("items", {}), at, above)
        case "object" if "properties" in schema:
            for name, part in schema["properties"].items():
                yield from free_parts(document, part, f"{at}.{name}", above)
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            yield from free_parts(document, schema["additionalProperties"], f"{at}.*", above)
        case "string" | "integer" | "number" | "boolean" | "null":
            return
        case _ if "const" in schema or "enum" in schema:
            return
        case _:
            yield at


def test_every_operation_says_what_it_does_and_where_it_belongs(document: dict[str, Any]) -> None:
    found = operations(document)
    assert len(found) > 30
    for name, one in found.items():
        assert one["summary"], name
        assert one["description"], name
        assert one["tags"], name


def test_every_answer_has_a_schema(document: dict[str, Any]) -> None:
    seen: dict[str, set[str]] = {}
    for name, one in operations(document).items():
        good = successes(one)
        assert good, name
        for status, answer in good.items():
            if status == "204":
                assert "content" not in answer, name
                continue
            (content,) = answer["content"].values()
            free = set(free_parts(document, content["schema"]))
            if free:
                seen[name] = free
    assert seen == FREE_FORM


def test_an_answer_without_a_schema_is_found() -> None:
    loose: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "object"}, "b": {"items": {}}, "c": {}}}
    loose["properties"]["b"]["type"] = "array"
    assert set(free_parts({}, loose)) == {".a", ".b", ".c"}


def test_every_operation_says_how_to_authenticate_and_what_happens_otherwise(document: dict[str, Any]) -> None:
    found = operations(document)
    assert {name for name, one in found.items() if not one.get("security")} == OPEN_TO_ALL
    assert [name for name, one in found.items() if name not in OPEN_TO_ALL and "401" not in one["responses"]] == []


def test_errors_have_one_shape(document: dict[str, Any]) -> None:
    for name, one in operations(document).items():
        if "/api/" not in name:
            continue
        for status, answer in one["responses"].items():
            if status >= "400":
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorBody"}, (name, status)


def test_what_changes_something_says_that_it_may_be_forbidden(document: dict[str, Any]) -> None:
    for name, one in operations(document).items():
        if not name.startswith("get "):
            assert "403" in one["responses"], name


def test_what_names_a_thing_says_that_it_may_not_be_there(document: dict[str, Any]) -> None:
    for name, one in operations(document).items():
        if "{" in name:
            assert "404" in one["responses"], name


def test_every_list_comes_in_pages_of_the_same_shape(document: dict[str, Any]) -> None:
    lists = 0
    for name, one in operations(document).items():
        if not name.startswith("get /api/"):
            continue
        if name in BYTES:
            assert set(successes(one)["200"]["content"]) == {BYTES[name]}
            continue
        schema = resolve(document, successes(one)["200"]["content"]["application/json"]["schema"])
        assert schema.get("type") == "object", f"{name}: a list stands in a page"
        properties = schema.get("properties", {})
        asked = {parameter["name"] for parameter in one.get("parameters", ())}
        if "items" not in properties:
            assert not asked & {"limit", "cursor"}, name
            continue
        lists += 1
        assert set(properties) == {"items", "next_cursor"}, name
        # What is always short comes whole; what grows is asked for piece by piece.
        assert ("limit" in asked) == ("cursor" in asked), name
    assert lists >= 10


def test_times_are_milliseconds_and_say_so(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert not field.endswith(("_at", "_time", "_ts")), (name, field)
    for name, one in operations(document).items():
        if name == "get /api/v1/gates/roll":
            continue  # its `since` is a revision
        for parameter in one.get("parameters", ()):
            assert parameter["name"] not in {"from", "to", "since", "until"}, name
