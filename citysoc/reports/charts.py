"""Charts as inline SVG: no script, no network, readable in black and white and by screen readers."""

from __future__ import annotations

import textwrap
from html import escape
from typing import TYPE_CHECKING

from citysoc.reports.text import integer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH = 720
_FILLS = ("#1f4e79", "url(#dots)", "url(#lines)")
_PATTERNS = (
    '<defs><pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect width="6" height="6" fill="#f4c7b8"/><circle cx="3" cy="3" r="1.6" fill="#a33b12"/></pattern>'
    '<pattern id="lines" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" fill="#e8e8e8"/><rect width="2" height="6" fill="#555"/></pattern></defs>'
)


def stacked_bars(
    title: str, columns: Mapping[str, Sequence[int]], names: Sequence[str], *, height: int = 240
) -> str:
    """Return a chart of stacked columns.

    Args:
        title: what it shows, for screen readers.
        columns: label to one value for each of ``names``, in order from left to right.
        names: what the parts are called, at most three.
        height: in pixels at full width.
    """
    top = max((sum(values) for values in columns.values()), default=0) or 1
    left, bottom, ceiling = 64, height - 26, 28
    step = (_WIDTH - left) / max(len(columns), 1)
    scale = (bottom - ceiling) / top
    parts = [_legend(names, left)]
    parts += [_grid(value, bottom - value * scale, left) for value in _ticks(top)]
    for position, (label, values) in enumerate(columns.items()):
        x, y = left + position * step + step * 0.12, float(bottom)
        for fill, name, value in zip(_FILLS, names, values, strict=False):
            y -= value * scale
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{step * 0.76:.1f}" height="{value * scale:.1f}"'
                f' fill="{fill}" stroke="#333" stroke-width=".4">'
                f"<title>{escape(label)}: {escape(name)} {integer(value)}</title></rect>"
            )
        parts.append(
            f'<text x="{x + step * 0.38:.1f}" y="{height - 10}" text-anchor="middle" class="tick">'
            f"{escape(label)}</text>"
        )
    return _svg(title, height, parts)


def bars(title: str, rows: Sequence[tuple[str, int, str]]) -> str:
    """Return a chart of horizontal bars.

    Args:
        title: what it shows, for screen readers.
        rows: label, value, and the value as text.
    """
    top = max((value for _, value, _ in rows), default=0) or 1
    left, line = 300, 30
    parts = []
    for position, (label, value, text) in enumerate(rows):
        y = position * line + 6
        width = value * (_WIDTH - left - 80) / top
        parts.append(
            f"{_label(label, left - 8, y + 9)}"
            f'<rect x="{left}" y="{y}" width="{width:.1f}" height="18" fill="{_FILLS[0]}"/>'
            f'<text x="{left + width + 6:.1f}" y="{y + 13}" class="tick">{escape(text)}</text>'
        )
    return _svg(title, len(rows) * line + 8, parts)


def small_columns(title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]]) -> str:
    """Return small charts of columns below each other, each on its own scale with its largest value beside it.

    Args:
        title: what it shows, for screen readers.
        columns: their labels, from left to right.
        rows: label, and a value for each column.
    """
    left, right, line, high = 200, 70, 46, 34
    step = (_WIDTH - left - right) / max(len(columns), 1)
    parts = []
    for position, (label, values) in enumerate(rows):
        base = position * line + high + 6
        top = max(values, default=0) or 1
        parts.append(_label(label, left - 10, base - high / 2, letters=28))
        parts.append(
            f'<line x1="{left}" x2="{_WIDTH - right}" y1="{base}" y2="{base}" stroke="#555" stroke-width=".6"/>'
        )
        for place, (column, value) in enumerate(zip(columns, values, strict=True)):
            tall = value * high / top
            parts.append(
                f'<rect x="{left + place * step + step * 0.12:.1f}" y="{base - tall:.1f}"'
                f' width="{step * 0.76:.1f}" height="{tall:.1f}" fill="{_FILLS[0]}">'
                f"<title>{escape(label)}, {escape(column)}: {integer(value)}</title></rect>"
            )
        parts.append(
            f'<text x="{_WIDTH - right + 6}" y="{base - high + 8}" class="tick">{integer(max(values, default=0))}</text>'
        )
    bottom = len(rows) * line + 10
    every = -(-len(columns) // 16)
    for place, column in enumerate(columns):
        if place % every == 0:
            parts.append(
                f'<text x="{left + place * step + step / 2:.1f}" y="{bottom}" text-anchor="middle" class="tick">'
                f"{escape(column)}</text>"
            )
    return _svg(title, bottom + 8, parts)


def _label(label: str, x: float, middle: float, *, letters: int = 44) -> str:
    """Return a label that ends at ``x``, in two lines where it is long."""
    lines = textwrap.wrap(label, letters, max_lines=2, placeholder="…") or [""]
    top = middle + 4 - 6.5 * (len(lines) - 1)
    said = "".join(
        f'<text x="{x}" y="{top + 13 * number:.1f}" text-anchor="end" class="label">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    return f"<g><title>{escape(label)}</title>{said}</g>"


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}"'
        f' xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>{_PATTERNS}{"".join(parts)}</svg>'
    )


def _legend(names: Sequence[str], left: int) -> str:
    parts = []
    for position, (fill, name) in enumerate(zip(_FILLS, names, strict=False)):
        x = left + position * 200
        parts.append(
            f'<rect x="{x}" y="4" width="14" height="14" fill="{fill}" stroke="#333" stroke-width=".4"/>'
            f'<text x="{x + 20}" y="15" class="label">{escape(name)}</text>'
        )
    return "".join(parts)


def _grid(value: int, y: float, left: int) -> str:
    return (
        f'<line x1="{left}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#bbb" stroke-width=".5"/>'
        f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" class="tick">{integer(value)}</text>'
    )


def _ticks(top: int) -> list[int]:
    """Return about four round values up to ``top``."""
    size = 10 ** (len(str(top)) - 1)
    step = next(step for step in (size // 4, size // 2, size, 2 * size, 5 * size) if step and top / step <= 5)
    return list(range(0, top + 1, step))
