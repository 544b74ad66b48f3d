"""The page and the chart of tools/bench.py, from the same numbers."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from bench_extras import Figure
from bench_growth import Curve

if TYPE_CHECKING:
    from bench import Measured

UPSTREAM = "upstream classes"
RAW = ("raw engine", "raw engine, parallel_runs")
GROWTH = """\
One thing grows at a time. *Exponent*: the slope of the upper half in the log-log plane; 1 is proportional, 0 is
constant. All is drawn in the figure, the ends stand in the table."""


def report(
    measured: Sequence["Measured"],
    figures: Sequence[Figure],
    grown: Sequence[Curve],
    machine: str,
    page: Path,
    is_quick: bool,
) -> str:
    """Markdown; the charts are written beside `page`."""
    by_case = {each.case: each for each in measured}
    goals = [*races(by_case), *(figure for figure in figures if figure.limit is not None)]
    chart, growth = page.with_suffix(".svg"), page.with_name(f"{page.stem}_growth.svg")
    draw(measured, chart)
    note = "  **--quick: rough.**" if is_quick else ""
    parts = [
        "# Benchmarks",
        f"{machine}; {datetime.now(UTC):%Y-%m-%d}; **stand-in weights**. Made by `tools/bench.py`: medians of "
        f"interleaved rounds, one contestant at a time in a process of its own.{note}",
        "## Targets",
        goal_table(goals),
        f"![images a second]({chart.name})",
        "## Images a second",
        rate_table(measured),
        "## Other figures",
        figure_table([figure for figure in figures if figure.limit is None]),
    ]
    if grown:
        draw_growth(grown, growth)
        parts += ["## Growth", GROWTH, f"![growth]({growth.name})", growth_table(grown)]
    return "\n\n".join(parts) + "\n"


def races(by_case: dict[str, "Measured"]) -> Iterator[Figure]:
    """The ratios that have targets."""
    small, large = by_case["aligned_224"], by_case["aligned_512"]
    for name, race, limit in (("224", small, 0.92), ("512", large, 0.75)):
        best = max(RAW, key=race.rate)
        yield Figure(f"aligned {name} px: project / {best}", race.ratio("project", best), "x", limit, True)
    yield Figure(
        "aligned 224 px: project / PyTorch, 1 thread",
        small.ratio("project", "PyTorch 1 thread"),
        "x",
        5.0,
        True,
    )
    limits = {"aligned_224": 3.0, "detect_720p": 3.5, "landmarks_720p": 1.9}
    for case, limit in limits.items():
        if UPSTREAM in by_case[case].seconds:
            ratio = by_case[case].ratio("project", UPSTREAM)
            yield Figure(f"{case}: project / upstream classes", ratio, "x", limit, True)
    slower = 1 / small.ratio("latency", "raw latency")
    yield Figure("batch 1, array in, record out: project's time / raw engine's", slower, "x", 1.15)


def goal_table(goals: Sequence[Figure]) -> str:
    lines = ["| figure | measured | target | |", "|---|---|---|---|"]
    for goal in goals:
        sign = ">=" if goal.is_at_least else "<="
        word = "reached" if goal.is_reached else "**missed**"
        lines.append(
            f"| {goal.name} | {goal.value:.3g} {goal.unit} | {sign} {goal.limit:g} {goal.unit} | {word} |"
        )
    return "\n".join(lines)


def rate_table(measured: Sequence["Measured"]) -> str:
    names = list(dict.fromkeys(name for each in measured for name in each.seconds))
    lines = ["| | " + " | ".join(each.case for each in measured) + " |", "|---" * (len(measured) + 1) + "|"]
    for name in names:
        cells = [f"{each.rate(name):.1f}" if name in each.seconds else "" for each in measured]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figure_table(figures: Sequence[Figure]) -> str:
    lines = [f"| {figure.name} | {figure.value:.3g} {figure.unit} |" for figure in figures]
    return "\n".join(["| figure | |", "|---|---|", *lines])


def growth_table(grown: Sequence[Curve]) -> str:
    lines = ["| what grows | cost | from | to | exponent | set by |", "|---" * 6 + "|"]
    for curve in grown:
        first, *_, last = (f"{y:.3g} at {x:g}" for x, y in curve.points.items())
        lines.append(
            f"| {curve.axis} | {curve.name} | {first} | {last} | {curve.exponent:.2f} | {curve.limit} |"
        )
    return "\n".join(lines)


def plots() -> Any:
    """pyplot, drawing SVG that is the same for the same numbers."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "of3"
    from matplotlib import pyplot

    return pyplot


def draw_growth(grown: Sequence[Curve], path: Path) -> None:
    """One log-log panel for each thing that grows."""
    plt = plots()
    axes_of = {axis: [curve for curve in grown if curve.axis == axis] for axis in {c.axis: 0 for c in grown}}
    figure, panels = plt.subplots(2, -(-len(axes_of) // 2), figsize=(12, 7))
    for panel, (axis, group) in zip(panels.flat, axes_of.items(), strict=False):
        for curve in group:
            panel.loglog(list(curve.points), list(curve.points.values()), "o-", label=curve.name)
        panel.set_xlabel(axis)
        panel.legend(fontsize=7)
        panel.grid(visible=True, which="both", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def draw(measured: Sequence["Measured"], path: Path) -> None:
    """Bars of images a second, relative to the project's, one group a case."""
    plt = plots()
    shown = ("project", *RAW, "PyTorch 1 thread", "PyTorch 2 threads", UPSTREAM)
    figure, axes = plt.subplots(figsize=(8, 4))
    for index, name in enumerate(shown):
        points = [
            (position + index * 0.14, each.rate(name) / each.rate("project"))
            for position, each in enumerate(measured)
            if name in each.seconds
        ]
        if points:
            axes.bar([x for x, _ in points], [y for _, y in points], 0.13, label=name)
    axes.set_xticks([position + 0.35 for position in range(len(measured))], [each.case for each in measured])
    axes.set_ylabel("images a second, project = 1")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
