"""The way out by Apprise: chat, mail, text message and a hundred other services, each named by a URL (a secret)."""

import asyncio
import hashlib
from pathlib import Path

import apprise

from cloud.notify.domain import Notice
from cloud.notify.service import Attempt
from runtime.config import ConfigError, Problem


class AppriseSender:
    """Sends to every configured service; ConfigError for a URL that Apprise cannot use (the URL itself is not told)."""

    def __init__(self, urls: tuple[str, ...], *, source: Path | str = "notify") -> None:
        asset = apprise.AppriseAsset(app_id="Linli", app_desc="Linli", async_mode=False, secure_logging=True)
        self._services: dict[str, apprise.NotifyBase] = {}
        for position, url in enumerate(urls, start=1):
            service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
            if service is None:
                scheme = url.partition("://")[0]
                problem = Problem(
                    key=f"URL {position}",
                    message=f"not a notification service (scheme `{scheme}`)",
                    remedy="see Apprise's list of services for its form",
                )
                raise ConfigError(source, (problem,))
            self._services[hashlib.blake2b(url.encode(), digest_size=8).hexdigest()] = service

    @property
    def configured(self) -> bool:
        """Whether there is any service."""
        return bool(self._services)

    async def send(self, notice: Notice, *, already: frozenset[str]) -> Attempt:
        """Send to the services one after the other; one that fails holds up no other."""
        reached = set(already)
        failed: list[str] = []
        for name, service in self._services.items():
            if name in already:
                continue
            if await asyncio.to_thread(_notify, service, notice):
                reached.add(name)
            else:
                failed.append(str(service.service_name))
        error = f"not accepted by: {', '.join(failed)}" if failed else ""
        return Attempt(reached=frozenset(reached), error=error)


def _notify(service: apprise.NotifyBase, notice: Notice) -> bool:
    try:
        return bool(service.notify(title=notice.title, body=notice.text, body_format=apprise.NotifyFormat.TEXT))
    except Exception:  # noqa: BLE001 - a hundred plug-ins of others raise whatever their libraries raise
        return False
