"""Errors on their way out: every answer that is not a success has the same shape."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from cloud.platform.errors import LinliError
from runtime.logs import get_log


class ErrorDetail(BaseModel):
    """What went wrong: `code` for programs, the rest for people."""

    code: str
    message: str
    remedy: str | None = None
    details: dict[str, Any] | None = None


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class Body(BaseModel):
    """The base of what a request brings: a key that nobody knows is an error.

    Not as strict as a file: FastAPI checks what JSON's parser made, where an enumeration is still text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare the errors of an endpoint for the OpenAPI document."""
    return {status: {"model": ErrorBody, "description": HTTPStatus(status).phrase} for status in statuses}


def install_error_handlers(app: FastAPI) -> None:
    """Make an application answer every error in the one shape."""
    app.add_exception_handler(LinliError, _known)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(Exception, _unexpected)


def _answer(status: int, error: LinliError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(jsonable_encoder(error.body()), status_code=status, headers=dict(headers or {}))


async def _known(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LinliError)  # noqa: S101 - registered for this class only
    headers: dict[str, str] = {}
    retry = (error.details or {}).get("retry_after_s")
    if isinstance(retry, int):
        headers["Retry-After"] = str(retry)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(error.status, error, headers)


async def _unreadable(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    # Without the input: it may be a password.
    problems = [
        {"where": ".".join(str(part) for part in one["loc"]), "message": one["msg"].removeprefix("Value error, ")}
        for one in error.errors()
    ]
    invalid = LinliError("the request cannot be used as it is", code="invalid", details={"problems": problems})
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, invalid)


async def _plain(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    code = HTTPStatus(error.status_code).name.lower()
    return _answer(error.status_code, LinliError(str(error.detail), code=code), error.headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    get_log("cloud.web").error("request failed", method=request.method, path=request.url.path, exc_info=error)
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, LinliError("the service failed at this; its log says why"))
