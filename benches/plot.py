"""Draws latency.svg: the time of a start, and latency under load."""

from html import escape
from math import ceil, floor, log10

WIDTH, PANEL, MARGIN = 760, 250, 30
LEFT, RIGHT = 210, 730
INK, GRID, COLOURS = "#222", "#ddd", ["#1f6feb", "#d1570b"]


def duration(seconds):
    for unit, size in [("s", 1), ("ms", 1e-3)]:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


class Scale:
    """Converts values to pixels on a logarithmic axis."""

    def __init__(self, values, start, end):
        self.first, self.last = floor(log10(min(values))), ceil(log10(max(values)))
        self.start, self.end = start, end

    def __call__(self, value):
        share = (log10(value) - self.first) / max(self.last - self.first, 1)
        return self.start + share * (self.end - self.start)

    def ticks(self):
        return [10.0**power for power in range(self.first, self.last + 1)]


def text(x, y, words, anchor="start", **style):
    css = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{css}>{escape(words)}</text>'


def line(x1, y1, x2, y2):
    return f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke="{GRID}"/>'


def bars(title, rows):
    """Draws rows of a label and a time, on a logarithmic axis."""
    scale, bottom = Scale([seconds for _, seconds in rows], LEFT, RIGHT - 60), 45 + 30 * len(rows)
    drawn = [text(MARGIN, 25, title, font_weight="bold")]
    for tick in scale.ticks():
        drawn += [line(scale(tick), 40, scale(tick), bottom), text(scale(tick), bottom + 15, duration(tick), "middle")]
    for n, (label, seconds) in enumerate(rows):
        y, end = 50 + 30 * n, scale(seconds)
        drawn.append(text(LEFT - 10, y + 13, label, "end"))
        drawn.append(f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.0f}" height="18" fill="{COLOURS[0]}"/>')
        drawn.append(text(end + 6, y + 13, duration(seconds)))
    return drawn


def lines(title, below, series):
    """Draws series of points (count, seconds) by name, with evenly spaced counts and a logarithmic axis of times."""
    counts = sorted({count for points in series.values() for count, _ in points})
    scale = Scale([seconds for points in series.values() for _, seconds in points], PANEL - 45, 45)
    across = lambda count: 110 + counts.index(count) * (RIGHT - 190) / max(len(counts) - 1, 1)
    drawn = [text(MARGIN, 25, title, font_weight="bold"), text((110 + RIGHT - 80) / 2, PANEL - 8, below, "middle")]
    for tick in scale.ticks():
        drawn += [line(110, scale(tick), RIGHT - 80, scale(tick)), text(100, scale(tick) + 4, duration(tick), "end")]
    drawn += [text(across(count), PANEL - 26, str(count), "middle") for count in counts]
    for (name, points), colour in zip(series.items(), COLOURS):
        path = " ".join(f"{across(count):.0f},{scale(seconds):.0f}" for count, seconds in points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        count, seconds = points[-1]
        drawn.append(text(across(count) + 8, scale(seconds) + 4, name, fill=colour))
    return drawn


def document(panels):
    groups = [f'<g transform="translate(0,{n * PANEL})">{"".join(panel)}</g>' for n, panel in enumerate(panels)]
    size = f'width="{WIDTH}" height="{PANEL * len(panels)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13" fill="{INK}">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *groups, "</svg>\n"])
