"""What stands before every request: headers that bind the browser, a size limit, and proof of origin."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 16_384
_SAFE = frozenset({"GET", "HEAD"})
_HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""Everything comes from here, and nothing is kept: the page may show a face, or who lives here."""


def comes_from_us(headers: Headers) -> bool:
    """Whether a request that changes something was sent by a page of ours, as the browser itself says."""
    origin = headers.get("origin")
    if origin is not None:
        return origin != "null" and urlsplit(origin.lower()).netloc == headers.get("host", "").lower()
    return headers.get("sec-fetch-site") == "same-origin"


class Guard:
    """Adds the headers, and refuses what no page of ours sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the headers, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *((name, value) for name, value in message.get("headers", ()) if name.decode() not in _HEADERS),
                    *((name.encode(), value.encode()) for name, value in _HEADERS.items()),
                ]
            await send(message)

        headers = Headers(scope=scope)
        if scope["method"] in _SAFE:
            await self._app(scope, receive, answer)
        elif not comes_from_us(headers):
            await JSONResponse({"error": "foreign_origin"}, status_code=403)(scope, receive, answer)
        elif not _is_short_json(headers):
            await JSONResponse({"error": "invalid"}, status_code=413)(scope, receive, answer)
        else:
            await self._app(scope, receive, answer)


def _is_short_json(headers: Headers) -> bool:
    # No page of ours sends a body in pieces, so that its length is always told, and the server holds the sender to it.
    length = headers.get("content-length", "")
    kind = headers.get("content-type", "")
    return length.isdecimal() and int(length) <= LARGEST_BODY and kind.partition(";")[0] == "application/json"
