"""The agent's health: its parts come and go with its configuration."""

from collections.abc import Callable

from runtime.health import Check, Health


class AgentHealth(Health):
    """Checks that can be taken out again, also while the page is asked for from another thread."""

    def add(self, name: str, probe: Callable[[], Check]) -> None:
        """Register the probe of one part, or another in its place."""
        self._probes = {**self._probes, name: probe}

    def remove(self, name: str) -> None:
        """Forget the probe of a part that is gone."""
        self._probes = {key: probe for key, probe in self._probes.items() if key != name}
