"""The ROC as a picture."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _SIDE = 640, 520, 70, 50, 400
_LEAST = 1e-4


def draw_roc(
    points: Sequence[tuple[float, float]], marks: Sequence[tuple[float, float, float, float]], title: str
) -> str:
    """Give an SVG: points are (false accept rate, true accept rate), marks (false, true, low, high) with intervals."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" ',
        'font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="30" font-size="15">{escape(title)}</text>',
    ]
    for exponent in range(-4, 1):
        x = _x(10.0**exponent)
        parts.append(f'<path d="M{x:.1f} {_TOP}V{_TOP + _SIDE}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{_TOP + _SIDE + 20}" text-anchor="middle">{10.0**exponent:g}</text>')
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        parts.append(f'<path d="M{_LEFT} {y:.1f}h{_WIDTH - _LEFT - 40}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{tenth / 10:g}</text>')
    path = " ".join(f"{_x(far):.1f},{_y(tar):.1f}" for far, tar in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="#0a58a8" stroke-width="2"/>')
    for far, tar, low, high in marks:
        x = _x(far)
        parts.append(f'<path d="M{x:.1f} {_y(low):.1f}V{_y(high):.1f}" stroke="#b3541e" stroke-width="2"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{_y(tar):.1f}" r="4" fill="#b3541e"/>')
    middle = (_LEFT + _WIDTH - 40) / 2
    parts.append(f'<text x="{middle}" y="{_TOP + _SIDE + 45}" text-anchor="middle">false accept rate</text>')
    parts.append(f'<text x="20" y="{_TOP + _SIDE / 2}" transform="rotate(-90 20 {_TOP + _SIDE / 2})" ')
    parts.append('text-anchor="middle">true accept rate</text></svg>\n')
    return "\n".join(parts)


def _x(far: float) -> float:
    part = 1 - math.log10(max(far, _LEAST)) / math.log10(_LEAST)
    return _LEFT + part * (_WIDTH - _LEFT - 40)


def _y(tar: float) -> float:
    return _TOP + (1 - tar) * _SIDE
