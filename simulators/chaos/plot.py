"""A picture of a run: what went wrong when, and how many records waited in the journals meanwhile."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from simulators.chaos.run import Outcome
from simulators.chaos.schedule import Kind, Schedule

_WIDTH, _LEFT, _ROW, _CURVE = 1200, 190, 18, 160
_COLOURS = {
    Kind.KILL: "#b3261e",
    Kind.TEAR: "#7b1fa2",
    Kind.WIPE: "#ad1457",
    Kind.CUT: "#e65100",
    Kind.FREEZE: "#f9a825",
    Kind.DELAY: "#9e9d24",
    Kind.DISK: "#1565c0",
    Kind.CLOCK: "#00838f",
    Kind.LINE: "#6d4c41",
}


def draw(schedule: Schedule, outcome: Outcome, file: Path) -> None:
    """Write the picture as SVG."""
    targets = sorted({trouble.target for trouble in schedule.troubles})
    end = max([schedule.seconds, *(at for at, _ in outcome.backlog)])
    height = _ROW * len(targets) + _CURVE + 70
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif">'
    body = [*_rows(schedule, targets, end), *_curve(outcome, end, top=_ROW * len(targets) + 30)]
    file.write_text("\n".join([head, *body, "</svg>"]) + "\n", encoding="utf-8")


def _x(at: float, end: float) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - 20) * at / end, 1)


def _rows(schedule: Schedule, targets: list[str], end: float) -> Iterator[str]:
    yield f'<text x="4" y="14" font-size="12">seed {schedule.seed}, {schedule.seconds:g} s</text>'
    for number, target in enumerate(targets, start=1):
        top = _ROW * number
        yield f'<text x="4" y="{top + 13}" font-size="11">{escape(target)}</text>'
        for one in schedule.troubles:
            if one.target == target:
                width = max(2.0, _x(one.at + one.lasts, end) - _x(one.at, end))
                yield (
                    f'<rect x="{_x(one.at, end)}" y="{top + 3}" width="{width:.1f}" height="{_ROW - 6}" '
                    f'fill="{_COLOURS[one.kind]}"><title>{escape(one.words)}</title></rect>'
                )


def _curve(outcome: Outcome, end: float, *, top: int) -> Iterator[str]:
    most = max([1, *(records for _, records in outcome.backlog)])
    points = " ".join(f"{_x(at, end)},{top + _CURVE - _CURVE * n / most:.1f}" for at, n in outcome.backlog)
    yield f'<text x="4" y="{top + 12}" font-size="11">records waiting, at most {most}</text>'
    yield f'<polyline points="{points}" fill="none" stroke="#37474f" stroke-width="1.5"/>'
    for number, (kind, colour) in enumerate(_COLOURS.items()):
        x, y = 4 + number * 130, top + _CURVE + 25
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 14}" y="{y}" font-size="10">{escape(kind.value[:22])}</text>'
