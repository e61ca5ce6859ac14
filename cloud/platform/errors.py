"""Errors that know their HTTP status and what to tell the person who caused them.

They are rendered as `{"error": {"code", "message", "remedy"?, "details"?}}` by `cloud.platform.http`.
"""

from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

Aftermath = Callable[[AsyncConnection], Awaitable[None]]
"""Something that must be stored although the unit of work failed, such as the audit of a denial."""


class LinliError(Exception):
    """Something the caller must be told. `code` is for programs, the message and the remedy for people.

    `aftermath` runs in a transaction of its own once `cloud.platform.database` has rolled the failed one back.
    """

    status = 500
    code = "internal"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        remedy: str | None = None,
        details: Mapping[str, object] | None = None,
        aftermath: Aftermath | None = None,
    ) -> None:
        self.message = message
        self.code = code or type(self).code
        self.remedy = remedy
        self.details = dict(details) if details is not None else None
        self.aftermath = aftermath
        super().__init__(message)

    def body(self) -> dict[str, object]:
        """Give the JSON document that the caller receives."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.remedy is not None:
            error["remedy"] = self.remedy
        if self.details is not None:
            error["details"] = self.details
        return {"error": error}


class Unauthenticated(LinliError):
    """Nobody knows who is asking."""

    status = 401
    code = "unauthenticated"


class Forbidden(LinliError):
    """The asker is known, and may not."""

    status = 403
    code = "forbidden"


class NotFound(LinliError):
    """There is no such thing, or none that the asker may see."""

    status = 404
    code = "not_found"


class Conflict(LinliError):
    """The thing is in a state in which this cannot be done."""

    status = 409
    code = "conflict"


class Invalid(LinliError):
    """What was sent cannot be used as it is."""

    status = 422
    code = "invalid"


class TooMany(LinliError):
    """Too many attempts; `details.retry_after_s` says when to come back."""

    status = 429
    code = "too_many"


class Unavailable(LinliError):
    """Something that is needed is not there at the moment; the same request may work later."""

    status = 503
    code = "unavailable"
