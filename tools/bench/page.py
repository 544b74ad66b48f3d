"""What every page of figures has: tables, and the machine they are of."""

import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from of3.engines.host import cores
from of3.engines.machine import packages
from tools.bench.records import Figure


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def targets(figures: Iterable[Figure]) -> str:
    """Figures beside what was wanted."""
    return table(("figure", "measured", "target", ""), map(goal_cells, figures))


def goal_cells(goal: Figure) -> Sequence[str]:
    sign = ">=" if goal.is_at_least else "<="
    word = "reached" if goal.is_reached else "**missed**"
    return goal.name, f"{goal.value:.3g} {goal.unit}", f"{sign} {goal.limit:g} {goal.unit}", word


def versions() -> str:
    return ", ".join(f"{name} {version}" for name, version in packages().items())


def machine() -> str:
    """Processor, system and versions, for the head of a page."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    cpu = names[0] if names else platform.processor()
    return f"{cpu}, {cores()} cores, {platform.platform()}; {versions()}"
