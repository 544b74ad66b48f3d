"""A line of the table, and the page that holds every line from the moment it is known."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HEAD = (
    "what",
    "runs on",
    "batch",
    "in flight",
    "images/s",
    "share of the engine",
    "GPU busy",
    "from fp32",
    "note",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured, or why it could not be.  None: not measured, or not to be."""

    what: str
    runs_on: str = ""
    batch: int | None = None
    in_flight: int | None = None
    images_per_s: float | None = None
    share: float | None = None  # of what the engine alone does at its usual batch
    gpu_busy: float | None = None  # of the time, by NVML
    from_fp32: str = ""  # largest difference, by output
    note: str = ""

    def cells(self) -> Sequence[str]:
        rate = "" if self.images_per_s is None else f"{self.images_per_s:.1f}"
        counts = ("" if count is None else str(count) for count in (self.batch, self.in_flight))
        shares = ("" if share is None else f"{share:.0%}" for share in (self.share, self.gpu_busy))
        note = " ".join(self.note.replace("|", "/").split())
        return self.what, self.runs_on, *counts, rate, *shares, self.from_fp32, note


def told(row: Row) -> None:
    """To the process that asked: a line of standard output."""
    print(json.dumps(asdict(row)), flush=True)


def heard(text: str) -> list[Row]:
    """The rows among the lines that a process wrote."""
    return [Row(**json.loads(line)) for line in text.splitlines() if line.startswith('{"what"')]


class Page:
    """A Markdown file with one table, written line by line: whatever ends the tool, what was measured is
    there.
    """

    def __init__(self, path: Path, title: str, about: str):
        self._path = path
        self.rows: list[Row] = []
        head = f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}\n"
        path.write_text(f"# {title}\n\n{about}\n\n{head}", "utf-8")

    def add(self, row: Row) -> None:
        self.rows.append(row)
        line = f"| {' | '.join(row.cells())} |\n"
        print(line, end="", flush=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
