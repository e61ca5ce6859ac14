"""Cameras over HTTP: logins, URLs with a login that nobody may see, and errors in words without a URL."""

from collections.abc import Generator

import httpx

from drivers.camera.place import Login, filled

_UNAUTHORIZED = 401


class CameraAuth(httpx.Auth):
    """Answers a challenge once. A camera that offers digest is never sent the password itself."""

    def __init__(self, login: Login) -> None:
        self._digest = httpx.DigestAuth(login.user, login.password)
        self._basic = httpx.BasicAuth(login.user, login.password)
        self._offers_digest = False

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request; when it is challenged, send it again with what the challenge asks for."""
        if self._offers_digest:  # it keeps the challenge, so that most requests are sent once
            yield from self._digest.auth_flow(request)
            return
        response = yield request
        if response.status_code != _UNAUTHORIZED:
            return
        schemes = {offer.split(" ", 1)[0].strip().lower() for offer in response.headers.get_list("www-authenticate")}
        if "digest" in schemes:
            self._offers_digest = True
            yield from self._digest.auth_flow(request)
        elif "basic" in schemes:
            yield from self._basic.auth_flow(request)


class HiddenUrl(httpx.HTTPTransport):
    """Puts a login into the URL below httpx, whose log and errors name the URL that they know."""

    def __init__(self, url: str, login: Login | None) -> None:
        super().__init__()
        self._url = filled(url, login)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to the URL with the login."""
        return super().handle_request(_elsewhere(request, self._url))


class AsyncHiddenUrl(httpx.AsyncHTTPTransport):
    """The same for coroutines."""

    def __init__(self, url: str, login: Login | None) -> None:
        super().__init__()
        self._url = filled(url, login)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to the URL with the login."""
        return await super().handle_async_request(_elsewhere(request, self._url))


def _elsewhere(request: httpx.Request, url: str) -> httpx.Request:
    return httpx.Request(
        request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
    )


def told(error: Exception, *, timeout_s: float) -> str:
    """Say what went wrong, in words that hold no URL: some of httpx's own do."""
    if isinstance(error, httpx.TimeoutException):
        return f"no connection within {timeout_s:g} s"
    if isinstance(error, httpx.ConnectError):
        return f"cannot connect: {_system(error)}"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
        return "the connection broke off"
    return f"the request failed: {type(error).__name__}"


def _system(error: BaseException | None) -> str:
    """Find the system's own words among the causes."""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        error = error.__cause__ or error.__context__
    return "no way to the host"
