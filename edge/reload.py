"""A changed site file: found, checked as at the start, and applied, or refused with every reason."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from edge.changes import AgentPlan, Changes, DeviceChange, LineChange, difference, plan_of
from edge.config import SiteConfig, load_site
from edge.lines import LineFailed
from edge.watch import FileWatch, digests
from runtime.config import ConfigError, Problem
from runtime.health import Check, Status
from runtime.lifecycle import wait_or
from runtime.logs import get_log

LOOK_EVERY = timedelta(seconds=1)
_TRY_AGAIN_AFTER = 10
"""So many looks later a bad file is read again: what it misses may be there by then, such as a password file."""

Apply = Callable[[SiteConfig, AgentPlan, Changes], Awaitable[None]]
"""Makes the changes; LineFailed when they cannot be made, with nothing changed."""


class Reloader:
    """Keeps one agent at what its site file says.

    `config` and `plan` are what it runs by; `apply` makes a change. `on_secrets` is told when a password or an
    authority's certificate was changed. `asked` is set by whoever wants the file to be read now.
    """

    def __init__(
        self,
        *,
        agent: str,
        config: SiteConfig,
        plan: AgentPlan,
        apply: Apply,
        on_secrets: Callable[[], None],
        asked: asyncio.Event,
    ) -> None:
        self._agent = agent
        self._config = config
        self._started = self._plan = plan
        self._apply = apply
        self._on_secrets = on_secrets
        self._asked = asked
        self._sources = FileWatch(self._source_files, content=config.content)
        self._secrets = FileWatch(self._secret_files, content=digests(config.secrets))
        self._refused: tuple[Problem, ...] = ()
        self._at_next_start: tuple[str, ...] = ()
        self._log = get_log("edge.reload")

    def check(self) -> Check:
        """Say whether the agent runs by its site file."""
        if self._refused:
            why = "; ".join(str(problem) for problem in self._refused)
            return Check(status=Status.DEGRADED, detail=f"the changed site file is not used: {why}")
        if self._at_next_start:
            keys = ", ".join(self._at_next_start)
            return Check(status=Status.DEGRADED, detail=f"changed, and used only from the next start on: {keys}")
        return Check(status=Status.OK)

    async def run(self) -> None:
        """Look, and apply what is found, until cancelled."""
        looks = 0
        while True:
            asked = await wait_or(self._asked, LOOK_EVERY.total_seconds())
            self._asked.clear()
            looks += 1
            again = bool(self._refused) and looks >= _TRY_AGAIN_AFTER
            if await asyncio.to_thread(self._sources.look) or asked or again:
                looks = 0
                await self._reload(asked=asked)
            if await asyncio.to_thread(self._secrets.look):
                self._log.info("the broker's credentials have changed; the next connection uses them")
                self._on_secrets()

    async def _reload(self, *, asked: bool) -> None:
        try:
            config, plan = await asyncio.to_thread(_load, self._config.file, self._agent)
            changes = difference(self._plan, plan, started=self._started)
            if changes.nothing and plan.revision == self._plan.revision:
                if asked or self._refused:
                    self._log.info("the site file says what the agent runs by", revision=plan.revision)
            else:
                await self._apply(config, plan, changes)
                self._tell(plan, changes)
        except ConfigError as error:
            self._refuse(error.problems)
        except LineFailed as error:
            key = f"agents.{self._agent}.buses.{error.name}"
            self._refuse((Problem(key=key, message=str(error), remedy="correct the bus or its devices"),))
        else:
            self._config, self._plan = config, plan
            self._refused, self._at_next_start = (), changes.at_next_start

    def _source_files(self) -> tuple[Path, ...]:
        return self._config.sources()

    def _secret_files(self) -> tuple[Path, ...]:
        return self._config.secrets

    def _refuse(self, problems: tuple[Problem, ...]) -> None:
        if problems == self._refused:
            return
        self._refused = problems
        for problem in problems:
            self._log.error(
                "the changed site file is not used; the agent runs on as before",
                file=str(self._config.file),
                key=problem.key,
                problem=problem.message,
                remedy=problem.remedy,
            )

    def _tell(self, plan: AgentPlan, changes: Changes) -> None:
        buses = {change.value: changes.lines_that(change) for change in LineChange if change is not LineChange.KEPT}
        devices = {
            change.value: changes.devices_that(change) for change in DeviceChange if change is not DeviceChange.KEPT
        }
        self._log.info(
            "the changed site file is in force",
            revision=plan.revision,
            buses={word: names for word, names in buses.items() if names},
            devices={word: names for word, names in devices.items() if names},
            broker="connected anew" if changes.broker else "kept",
            gates="started anew" if changes.gates else "kept",
            at_next_start=changes.at_next_start,
        )


def _load(file: Path, agent: str) -> tuple[SiteConfig, AgentPlan]:
    config = load_site(file)
    if agent not in config.settings.agents:
        remedy = "put it back, or stop this agent"
        raise ConfigError(file, (Problem(key="agents", message=f"`{agent}` is not there any more", remedy=remedy),))
    return config, plan_of(config, agent)
