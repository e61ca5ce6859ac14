"""The picture of a calibration: how alike strangers are, how alike people are to themselves, and the threshold."""

from xml.sax.saxutils import escape

import numpy as np

from edge.gate.people.calibration import Report
from models.face.calibrate import Values
from models.face.search import Metric

_WIDTH, _HEIGHT, _LEFT, _TOP, _ACROSS, _DOWN = 760, 460, 70, 60, 640, 320
_BINS = 60


def draw_calibration(report: Report) -> str:
    """Give an SVG."""
    record, scores = report.record, report.scores
    marks = [one for one in (record.threshold, record.verify) if one is not None]
    known = [one for one in (scores.impostor, scores.genuine, np.array(marks)) if len(one)]
    everything = np.concatenate(known)
    low, high = float(everything.min()), float(everything.max())
    room = max(1e-6, 0.05 * (high - low))
    low, high = low - room, high + room

    def across(score: float) -> float:
        return _LEFT + (score - low) / (high - low) * _ACROSS

    said = f"threshold {record.threshold:.4f}" if record.threshold is not None else f"no 1:N: {record.why}"
    title = f"{record.people} people, {record.probes} strangers: {said}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        '<g font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="26" font-size="15">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="46" fill="#555">{escape(_subtitle(report))}</text>',
    ]
    for number in range(6):
        score = low + (high - low) * number / 5
        parts.append(f'<path d="M{across(score):.1f} {_TOP}v{_DOWN}" stroke="#ddd"/>')
        parts.append(f'<text x="{across(score):.1f}" y="{_TOP + _DOWN + 18}" text-anchor="middle">{score:.3f}</text>')
    for values, colour in ((scores.impostor, "#b3261e"), (scores.genuine, "#146c2e")):
        parts += _bars(values, low, high, colour)
    if record.threshold is not None:
        x = across(record.threshold)
        parts.append(f'<path d="M{x:.1f} {_TOP}v{_DOWN}" stroke="#000" stroke-width="2" stroke-dasharray="6 4"/>')
        parts.append(f'<text x="{x + 5:.1f}" y="{_TOP + 14}">threshold</text>')
    unit = "cosine (right: more alike)" if record.metric is Metric.COSINE else "distance (left: more alike)"
    y = _TOP + _DOWN + 42
    parts.append(f'<text x="{_LEFT}" y="{y}">{unit}</text>')
    for x, colour, text in ((330, "#b3261e", "a stranger's best score"), (530, "#146c2e", "people with themselves")):
        parts.append(f'<rect x="{x}" y="{y - 11}" width="12" height="12" fill="{colour}" fill-opacity="0.6"/>')
        parts.append(f'<text x="{x + 18}" y="{y}">{text}</text>')
    if record.simulated:
        parts.append(f'<text x="{_LEFT}" y="{y + 24}" fill="#b3261e">drawn people: no threshold for a real gate</text>')
    return "\n".join([*parts, "</g></svg>"]) + "\n"


def _bars(values: Values, low: float, high: float, colour: str) -> list[str]:
    """Draw how often each score was seen, on a scale of its own, its logarithm up."""
    if not len(values):
        return []
    counts, edges = np.histogram(values, bins=_BINS, range=(low, high))
    heights = np.log1p(counts) / np.log1p(counts.max()) * _DOWN * 0.95
    width = _ACROSS / _BINS
    return [
        f'<rect x="{_LEFT + (edge - low) / (high - low) * _ACROSS:.1f}" y="{_TOP + _DOWN - height:.1f}" '
        f'width="{width:.1f}" height="{height:.1f}" fill="{colour}" fill-opacity="0.55"><title>{count}</title></rect>'
        for count, edge, height in zip(counts, edges, heights, strict=False)
        if count
    ]


def _subtitle(report: Report) -> str:
    record = report.record
    said = [f"asked: at most {record.asked:.3%} of strangers taken for somebody"]
    if record.fpir is not None:
        said.append(f"expected {record.fpir.expected:.3%} ({record.fpir.low:.3%} to {record.fpir.high:.3%})")
    if record.fnir is not None:
        said.append(f"not known again {record.fnir.expected:.1%} ({record.fnir.low:.1%} to {record.fnir.high:.1%})")
    return "; ".join(said)
