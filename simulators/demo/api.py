"""The REST API as the demonstration's people use it."""

from types import TracebackType
from typing import Any, Self

import httpx


class Api:
    """One person's session. Every call raises httpx.HTTPStatusError when the service says no."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, timeout=15, trust_env=False)

    async def __aenter__(self) -> Self:
        """Open the connection."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def login(self, login: str, password: str) -> None:
        """Sign in; the token goes with every later call."""
        answer = await self.post("/login", {"login": login, "password": password})
        self._client.headers["Authorization"] = f"Bearer {answer['token']}"

    async def get(self, path: str, **query: Any) -> Any:  # noqa: ANN401 - JSON
        """Fetch a resource below /api/v1."""
        answer = await self._client.get(f"/api/v1{path}", params=query)
        answer.raise_for_status()
        return answer.json()

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Send to a resource below /api/v1."""
        answer = await self._client.post(f"/api/v1{path}", json=body or {})
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def status_of(self, method: str, path: str, body: dict[str, Any] | None = None) -> int:
        """Give the status code of a call that may fail."""
        return (await self._client.request(method, f"/api/v1{path}", json=body)).status_code
