"""What every page of figures has: tables, and the machine they are of."""

import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from of3.engines.host import cores
from of3.engines.machine import packages


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def versions() -> str:
    return ", ".join(f"{name} {version}" for name, version in packages().items())


def machine() -> str:
    """Processor, system and versions, for the head of a page."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    cpu = names[0] if names else platform.processor()
    return f"{cpu}, {cores()} cores, {platform.platform()}; {versions()}"
