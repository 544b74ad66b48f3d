"""The page and the charts, from the same numbers."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tools.bench import charts
from tools.bench.page import table, targets
from tools.bench.records import Curve, Figure, Measured

UPSTREAM = "upstream classes"
RAW = ("raw engine", "raw engine, side by side")
SHOWN = ("project", *RAW, "PyTorch 1 thread", "PyTorch 2 threads", UPSTREAM)  # in the chart
GROWTH = """\
One thing grows at a time. *Exponent*: the slope of the upper half in the log-log plane; 1 is proportional, 0 is
constant. All is drawn in the figure, the ends stand in the table."""


def report(
    measured: Sequence[Measured],
    figures: Sequence[Figure],
    grown: Sequence[Curve],
    machine: str,
    page: Path,
    is_quick: bool,
) -> str:
    """Markdown; the charts are written beside `page`."""
    goals = [
        *races({each.case: each for each in measured}),
        *(each for each in figures if each.limit is not None),
    ]
    others = ((figure.name, f"{figure.value:.3g} {figure.unit}") for figure in figures if figure.limit is None)
    chart, growth = page.with_suffix(".svg"), page.with_name(f"{page.stem}_growth.svg")
    charts.save(charts.rates(measured, SHOWN), chart)
    note = "  **--quick: rough.**" if is_quick else ""
    parts = [
        "# Benchmarks",
        f"{machine}; {datetime.now(UTC):%Y-%m-%d}; **stand-in weights**. Made by `python -m tools.bench`: "
        f"medians of interleaved rounds, one contestant at a time in a process of its own.{note}",
        "## Targets",
        targets(goals),
        f"![images a second]({chart.name})",
        "## Images a second",
        rate_table(measured),
        "## Other figures",
        table(("figure", ""), others),
    ]
    if grown:
        charts.save(charts.growth(grown), growth)
        head = ("what grows", "cost", "from", "to", "exponent", "set by")
        parts += ["## Growth", GROWTH, f"![growth]({growth.name})", table(head, map(growth_cells, grown))]
    return "\n\n".join(parts) + "\n"


def races(by_case: Mapping[str, Measured]) -> Iterator[Figure]:
    """The ratios that have targets."""
    small = by_case["aligned_224"]
    for side, limit in (("224", 0.92), ("512", 0.75)):
        race = by_case[f"aligned_{side}"]
        best = max(RAW, key=race.rate)
        yield Figure(f"aligned {side} px: project / {best}", race.ratio("project", best), "x", limit, True)
    name, other = "aligned 224 px: project / PyTorch, 1 thread", "PyTorch 1 thread"
    yield Figure(name, small.ratio("project", other), "x", 5.0, True)
    for case, limit in {"aligned_224": 3.0, "detect_720p": 3.5, "landmarks_720p": 1.9}.items():
        if UPSTREAM in by_case[case].seconds:
            ratio = by_case[case].ratio("project", UPSTREAM)
            yield Figure(f"{case}: project / upstream classes", ratio, "x", limit, True)
    slower = 1 / small.ratio("latency", "raw latency")
    yield Figure("batch 1, array in, record out: project's time / raw engine's", slower, "x", 1.15)


def growth_cells(curve: Curve) -> Sequence[str]:
    first, *_, last = (f"{y:.3g} at {x:g}" for x, y in curve.points.items())
    return curve.axis, curve.name, first, last, f"{curve.exponent:.2f}", curve.limit


def rate_table(measured: Sequence[Measured]) -> str:
    names = dict.fromkeys(name for each in measured for name in each.seconds)
    rates = {
        name: [f"{each.rate(name):.1f}" if name in each.seconds else "" for each in measured] for name in names
    }
    return table(["", *(each.case for each in measured)], ([name, *cells] for name, cells in rates.items()))
