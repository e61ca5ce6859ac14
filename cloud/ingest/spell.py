"""Failures of one job in a row: told when they begin and when they end, and tried again ever less often."""

from structlog.stdlib import BoundLogger

from runtime.lifecycle import Backoff


class Spell:
    """How one job that is done again and again does. `job` is what it does, for the log: `look for commands`."""

    def __init__(self, job: str, *, backoff: Backoff, log: BoundLogger) -> None:
        self._job = job
        self._backoff = backoff
        self._log = log
        self._failures = 0

    def failed(self, error: BaseException) -> float:
        """Take note of a failure; for how many seconds to wait before the next attempt."""
        self._failures += 1
        if self._failures == 1:
            self._log.warning(f"cannot {self._job}; trying again", error=str(error).splitlines()[0])
        return self._backoff.next_pause().total_seconds()

    def worked(self) -> None:
        """Take note that it worked."""
        if self._failures:
            self._log.info(f"can {self._job} again", failures=self._failures)
        self._failures = 0
        self._backoff.reset()
