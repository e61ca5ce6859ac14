"""What the models find, as results of checks. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from edge.gate.api import Check, CheckResult, Reason
from edge.gate.config import FeverSettings
from models.mask.cover import Cover
from models.presence.warmth import Verdict, Warmth
from models.temperature.skin import SkinTemperature, Trouble, sensor_class

_LIVENESS: Mapping[Verdict, Reason] = MappingProxyType(
    {
        Verdict.COLD: Reason.NO_WARMTH,
        Verdict.EVEN: Reason.PICTURE_OF_A_FACE,
        Verdict.OTHER_SHAPE: Reason.NOT_FACE_LIKE,
        Verdict.WRONG_STRUCTURE: Reason.NOT_FACE_LIKE,
    }
)
_NO_TEMPERATURE: Mapping[Trouble, Reason] = MappingProxyType(
    {
        Trouble.TOO_SMALL: Reason.FACE_NOT_CLEAR,
        Trouble.OUTSIDE: Reason.FACE_NOT_CLEAR,
        Trouble.HIDDEN: Reason.FACE_NOT_CLEAR,
        Trouble.NO_REFERENCE: Reason.NO_REFERENCE,
    }
)
_COVERED, _BARE = 0.6, 0.4


def liveness(verdict: Verdict, warmth: Warmth | None, *, steady: bool = True) -> CheckResult:
    """Say whether a living face was there; nothing is said of one that is not `steady`, whatever the verdict."""
    figures: dict[str, bool | float | str] = {"verdict": verdict.value}
    if warmth is not None:
        figures |= warmth.figures()
    if not steady:
        return CheckResult.unchecked(Check.LIVENESS, Reason.FACE_NOT_CLEAR, moved=True, **figures)
    if verdict is Verdict.LIVING:
        return CheckResult.passed(Check.LIVENESS, **figures)
    reason = _LIVENESS.get(verdict)
    if reason is None:
        return CheckResult.unchecked(Check.LIVENESS, Reason.FACE_NOT_CLEAR, **figures)
    return CheckResult.failed(Check.LIVENESS, reason, **figures)


def temperature(
    found: SkinTemperature | Trouble, fever: FeverSettings, size: tuple[int, int], *, glasses: bool = False
) -> CheckResult:
    """Hold a skin temperature against the limits; `size` is the thermal picture's (rows, columns).

    `glasses` is told beside it: they hide the warmest places of a face, and the value is lower for that.
    """
    figures: dict[str, bool | float | str] = {"sensor": sensor_class(*size), "glasses": glasses}
    if isinstance(found, Trouble):
        return CheckResult.unchecked(Check.TEMPERATURE, _NO_TEMPERATURE[found], trouble=found.value, **figures)
    figures |= {
        "raw_c": round(found.raw_c, 2),
        "spot": found.spot.value,
        "how": found.how.value,
        "mm_per_pixel": round(found.mm_per_pixel, 2),
        "hidden": round(found.hidden, 2),
        "row": float(found.row),
        "column": float(found.column),
    }
    if found.compensated_c is not None:
        figures["compensated_c"] = round(found.compensated_c, 2)
    if found.best_c < fever.coldest_c:
        return CheckResult.failed(Check.TEMPERATURE, Reason.COLD_SURFACE, **figures)
    if found.best_c > fever.limit_c:
        return CheckResult.failed(Check.TEMPERATURE, Reason.FEVER, **figures)
    return CheckResult.passed(Check.TEMPERATURE, **figures)


def mask(found: Cover) -> CheckResult:
    """Say whether mouth and nose are covered."""
    figures: dict[str, bool | float | str] = {"score": round(found.score, 3)}
    figures |= {name: round(value, 2) for name, value in found.figures.items()}
    if found.score >= _COVERED:
        return CheckResult.passed(Check.MASK, **figures)
    if found.score <= _BARE:
        return CheckResult.failed(Check.MASK, Reason.NO_MASK, **figures)
    return CheckResult.unchecked(Check.MASK, Reason.FACE_NOT_CLEAR, **figures)


def unseen(reason: Reason, *, thermal: Reason) -> tuple[CheckResult, CheckResult, CheckResult]:
    """Give liveness, temperature and mask where there was no face to look at."""
    return (
        CheckResult.unchecked(Check.LIVENESS, thermal),
        CheckResult.unchecked(Check.TEMPERATURE, thermal),
        CheckResult.unchecked(Check.MASK, reason),
    )


def timed(result: CheckResult, took: timedelta) -> CheckResult:
    """Give the result with the time that it took."""
    return CheckResult(
        check=result.check,
        standing=result.standing,
        reason=result.reason,
        figures=result.figures,
        took_ms=took / timedelta(milliseconds=1),
    )
