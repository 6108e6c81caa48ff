"""Small charts as inline SVG: nothing is loaded from anywhere, and colours follow the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 460, 290
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 12, 44
Series = Mapping[str, Sequence[tuple[float, float]]]


def line_chart(
    series: Series,
    *,
    x_label: str,
    y_label: str,
    x_max: float,
    y_max: float = 1.0,
    diagonal: bool = False,
    dots: bool = False,
) -> str:
    """Draw lines over shared axes that start at 0.

    Parameters
    ----------
    series : mapping of str to sequence of (x, y)
        At most four; each has its own colour and dash.
    x_label, y_label : str
    x_max, y_max : float
        Ends of the axes.
    diagonal : bool
        Draw where y equals x.
    dots : bool
        Mark the points.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    parts = _axes(x_label, y_label, x_max, y_max)
    if diagonal:
        parts.append(f'<path class="ideal" d="M{_x(0, x_max)} {_y(0, y_max)}L{_x(x_max, x_max)} {_y(y_max, y_max)}"/>')
    for k, points in enumerate(series.values()):
        shown = [(_x(x, x_max), _y(y, y_max)) for x, y in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in shown)
        if path:
            parts.append(f'<path class="line s{k}" d="M{path}"/>')
        if dots:
            parts += [f'<circle class="dot s{k}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in shown]
    return _svg(parts, f"{y_label} against {x_label}") + legend(list(series))


def histogram(edges: Sequence[float], counts: Sequence[int], *, x_label: str) -> str:
    """Draw bars; `edges` are their left ends, and the last bar holds all beyond."""
    total, top = max(1, sum(counts)), max([1, *counts])
    step = edges[1] - edges[0]
    x_max, y_max = edges[-1] + step, top / total
    parts = _axes(x_label, "share of frames", x_max, y_max)
    for left, count in zip(edges, counts, strict=True):
        x, y = _x(left, x_max), _y(count / total, y_max)
        width = _x(left + step, x_max) - x - 1
        parts.append(f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_y(0, y_max) - y:.1f}"/>')
    return _svg(parts, f"Histogram of {x_label}")


def legend(names: Sequence[str]) -> str:
    """Return the names with their line's colour and dash."""
    items = "".join(
        f'<span><svg class="key" viewBox="0 0 28 8" aria-hidden="true"><path class="line s{k}" d="M0 4L28 4"/></svg>'
        f"{escape(name)}</span>"
        for k, name in enumerate(names)
    )
    return f'<p class="legend">{items}</p>'


def _axes(x_label: str, y_label: str, x_max: float, y_max: float) -> list[str]:
    parts = []
    for k in range(6):
        value = y_max * k / 5
        y = _y(value, y_max)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}L{WIDTH - RIGHT} {y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2g}</text>')
        value = x_max * k / 5
        x = _x(value, x_max)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{value:.3g}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
    )
    parts.append(f'<text transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>')
    return parts


def _x(value: float, x_max: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(value, x_max) / x_max


def _y(value: float, y_max: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, y_max) / y_max


def _svg(parts: Sequence[str], title: str) -> str:
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"'
    return f'<svg class="chart" {box}>{"".join(parts)}</svg>'
