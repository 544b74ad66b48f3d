"""The charts of the pages: a panel for every unit, names beside or below it, never over what is drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tools.bench.records import Curve, Measured

COLUMNS = 2  # panels side by side


def save(drawing: Drawing, path: Path) -> None:
    """The same SVG for the same numbers."""
    with mpl.rc_context({"svg.hashsalt": "of3"}):
        drawing.savefig(path, metadata={"Date": None})


def rates(measured: Sequence[Measured], shown: Sequence[str]) -> Drawing:
    """Images a second as bars: a panel for each case, a bar with its name and figure for each contestant."""
    drawing = Drawing(figsize=(9, 1 + 1.8 * -(-len(measured) // COLUMNS)), layout="constrained")
    for panel, each in zip(_panels(drawing, len(measured)), measured, strict=True):
        values = {name: each.rate(name) for name in reversed(shown) if name in each.seconds}
        bars = panel.barh(
            list(values), list(values.values()), color=["C0" if name == "project" else "C7" for name in values]
        )
        panel.bar_label(bars, fmt="{:.3g}", padding=3)
        panel.margins(x=0.15)  # room for the figures
        panel.set_title(each.case)
        panel.set_xlabel("images/s")
    return drawing


def growth(grown: Sequence[Curve]) -> Drawing:
    """A log-log panel for each thing that grows and each unit of what that costs."""
    kinds = list(dict.fromkeys((curve.axis, curve.unit) for curve in grown))
    drawing = Drawing(figsize=(9, 3.4 * -(-len(kinds) // COLUMNS)), layout="constrained")
    for panel, (axis, unit) in zip(_panels(drawing, len(kinds)), kinds, strict=True):
        curves = [curve for curve in grown if (curve.axis, curve.unit) == (axis, unit)]
        for curve in curves:
            panel.loglog(list(curve.points), list(curve.points.values()), "o-", label=curve.what)
        costs = [y for curve in curves for y in curve.points.values()]
        panel.set_ylim(
            min(costs) / 2, max(costs) * 1.5
        )  # at least two numbers beside it, however flat they are
        _plain_ticks(panel, sorted({x for curve in curves for x in curve.points}))
        panel.set_xlabel(axis)
        panel.set_ylabel(unit)
        panel.grid(visible=True, alpha=0.3)
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), frameon=False, fontsize=8)
    return drawing


def soak(samples: Sequence[Mapping[str, float]], units: Mapping[str, str]) -> Drawing:
    """What is held over the pictures of a long run: one panel above the other, each from 0.

    units: of a sample's key, what stands beside its panel.
    """
    drawing = Drawing(figsize=(9, 1.7 * len(units)), layout="constrained")
    panels = drawing.subplots(len(units), 1, sharex=True, squeeze=False)[:, 0]
    images = [sample["images"] for sample in samples]
    for panel, (key, unit) in zip(panels, units.items(), strict=True):
        panel.plot(images, [sample[key] for sample in samples])
        panel.set_ylim(0, 1.2 * max(sample[key] for sample in samples))
        panel.set_ylabel(unit)
        panel.grid(visible=True, alpha=0.3)
    panels[-1].set_xlabel("images")
    return drawing


def _panels(drawing: Drawing, count: int) -> Sequence[Axes]:
    """So many of a grid, without the empty ones."""
    every = drawing.subplots(-(-count // COLUMNS), COLUMNS, squeeze=False).flat
    for empty in every[count:]:
        empty.remove()
    panels: Sequence[Axes] = list(every[:count])
    return panels


def _plain_ticks(panel: Axes, at: Sequence[float]) -> None:
    """Numbers where something was measured, and at 1, 2, 5 of each decade: more would run together."""
    panel.set_xticks(at, [f"{x:.4g}" for x in at])
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_minor_formatter(NullFormatter())
