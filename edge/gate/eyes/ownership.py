"""Whether a thermal picture shows the face that the visible one shows. Pure; seconds of one clock.

A thermal picture is older than the visible one by up to its `max_age`. Somebody living who raises a photograph before
their own face would be judged by a warmth that was taken before: the face is where it was, and only its owner changed.
"""

from collections.abc import Mapping
from types import MappingProxyType

from edge.gate.api import CheckResult, Reason, Standing
from models.api import Floats
from models.face.search import Metric, compare

_ALIKE: Mapping[Metric, float] = MappingProxyType({Metric.DISTANCE: 0.45, Metric.COSINE: 0.5})
"""Two looks a moment apart are more alike than two pictures of a person need to be; a mistake costs one look. Simulated
people who walk up: 99% of such pairs within 0.28, all within 0.40; two people at least 0.47 apart. The cosine is an
assumption: its models were not to be had."""


_MOST_MISSED = 1
"""So many looks may not tell whose face it is; after more, it is another visit."""


class Ownership:
    """Since when the face before the cameras has been the same."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._face: Floats | None = None
        self._since_s = 0.0
        self._missed = 0

    def saw(self, template: Floats | None, at_s: float) -> None:
        """Take the face of a visible picture, None where none is told, and when that was taken."""
        if template is None:
            self._missed += 1
            if self._missed > _MOST_MISSED:
                self._face = None
            return
        before, self._face, self._missed = self._face, template, 0
        if before is None or not self._metric.accepts(compare(self._metric, before, template), _ALIKE[self._metric]):
            self._since_s = at_s

    def of_this_face(self, result: CheckResult, thermal_s: float) -> CheckResult:
        """Give a result of a thermal picture, or that there is none when the picture is older than this face here."""
        if result.standing is Standing.UNCHECKED or thermal_s >= self._since_s:
            return result
        return CheckResult(
            check=result.check,
            standing=Standing.UNCHECKED,
            reason=Reason.FACE_NOT_CLEAR,
            figures={"older_than_face_s": round(self._since_s - thermal_s, 3)},
            took_ms=result.took_ms,
        )
