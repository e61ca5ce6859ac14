"""A site whose file a test writes again and again, with local profiles that it may change."""

import asyncio
import json
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.broker import Broker, free_port
from tests.support.edge_site import PROFILES, USERS, site_text


@dataclass(kw_only=True)
class ChangingSite:
    """One agent `edge-1`; `buses` has the port of each, `devices` the (bus, unit, profile) of each.

    A pump's register 0 is its pressure, in steps of `scale` bar; the profiles are made anew by `write`.
    """

    folder: Path
    broker: Broker
    buses: dict[str, int]
    devices: dict[str, tuple[str, int, str]]
    scales: dict[str, float] = field(default_factory=lambda: {"bench-pump": 0.1})
    poll: str = "100ms"
    labels: dict[str, str] = field(default_factory=dict)
    extra: str = ""
    http: int = field(default_factory=free_port)

    @property
    def file(self) -> Path:
        return self.folder / "site.toml"

    def page(self, name: str) -> str:
        """Ask the agent for `health` or `metrics`, whatever the file says now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{name}", timeout=10) as answer:
            return str(answer.read().decode())

    async def checks(self, holds: Callable[[dict[str, Any]], bool], *, within: float = 20.0) -> dict[str, Any]:
        """Wait until the checks of its health hold."""
        async with asyncio.timeout(within):
            while True:
                with suppress(OSError):
                    found = dict(json.loads(await asyncio.to_thread(self.page, "health"))["checks"])
                    if holds(found):
                        return found
                await asyncio.sleep(0.1)

    def write(self) -> Path:
        self.write_profiles()
        (self.folder / "edge-1.password").write_text(USERS["edge-1"] + "\n")
        self.file.write_text(self.text())
        return self.file

    def write_profiles(self) -> None:
        folder = self.folder / "profiles"
        folder.mkdir(exist_ok=True)
        pattern = (PROFILES / "bench-pump.toml").read_text()
        for name, scale in self.scales.items():
            text = pattern.replace('name = "bench-pump"', f'name = "{name}"').replace('"100ms"', f'"{self.poll}"')
            text = text.replace("scale = 0.1, absent", f"scale = {scale}, absent").replace(
                "high = 16 }", "high = 900 }"
            )
            (folder / f"{name}.toml").write_text(text.replace('"200ms"', f'"{self.poll}"'))

    def text(self) -> str:
        """Give the whole file."""
        return site_text(self.tables(), port=self.broker.port, http=self.http, profiles="profiles", keepalive="2s")

    def tables(self) -> str:
        """Give the tables of its buses and devices."""
        lines = []
        for bus, port in self.buses.items():
            lines += [f"[agents.edge-1.buses.{bus}]", 'protocol = "modbus-tcp"', 'host = "127.0.0.1"', f"port = {port}"]
            lines += ['timeout = "500ms"']
        for device, (bus, unit, profile) in self.devices.items():
            label = self.labels.get(device, device)
            lines += [f"[agents.edge-1.devices.{device}]", f'profile = "{profile}"', f'bus = "{bus}"', f"unit = {unit}"]
            lines += [f'label = {{ zh = "{label}", en = "{label}" }}', 'place = "1号楼"']
        return "\n".join([*lines, self.extra, ""])
