"""Cost against size as a snapshot: figures that name a curve and a size become points of one small SVG."""

import math
from collections.abc import Sequence
from html import escape

from bench.figures import Figure

_WIDTH, _HEIGHT, _MARGIN = 560, 300, 60


def curves(figures: Sequence[Figure]) -> dict[str, list[Figure]]:
    """The figures of each curve, by size."""
    found: dict[str, list[Figure]] = {}
    for figure in figures:
        if figure.curve and figure.size is not None:
            found.setdefault(figure.curve, []).append(figure)
    return {name: sorted(points, key=lambda point: point.size or 0) for name, points in found.items()}


def snapshot(name: str, points: Sequence[Figure]) -> str:
    """One curve: sizes on a logarithmic axis, values from zero, each point with its number."""
    sizes = [math.log10(max(point.size or 1, 1)) for point in points]
    span = max(max(sizes) - min(sizes), 1e-9)
    top = max(point.value for point in points) or 1.0
    places = [
        (
            _MARGIN + (size - min(sizes)) / span * (_WIDTH - 2 * _MARGIN),
            _HEIGHT - _MARGIN - point.value / top * (_HEIGHT - 2 * _MARGIN),
        )
        for size, point in zip(sizes, points, strict=True)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(_mark(x, y, point) for (x, y), point in zip(places, points, strict=True))
    base = _HEIGHT - _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="{_MARGIN}" y="24" font-size="14">{escape(name)} [{escape(points[0].unit)}]</text>\n'
        f'<line x1="{_MARGIN}" y1="{base}" x2="{_WIDTH - _MARGIN}" y2="{base}" stroke="black"/>\n'
        f'<polyline points="{line}" fill="none" stroke="steelblue" stroke-width="2"/>\n{marks}</svg>\n'
    )


def _mark(x: float, y: float, point: Figure) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="steelblue"/>'
        f'<text x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle">{point.value:.3g}</text>'
        f'<text x="{x:.1f}" y="{_HEIGHT - _MARGIN + 20}" text-anchor="middle">{point.size:,.0f}</text>\n'
    )
