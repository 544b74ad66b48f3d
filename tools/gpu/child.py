"""Work in a process of its own: a GPU that one engine broke, or a crash, is not the next one's."""

import signal
import subprocess
from collections.abc import Sequence

from tools.gpu.row import Row, heard

WITHIN_S = 1800


def rows_of(what: str, command: Sequence[str]) -> list[Row]:
    """The rows that a process tells of; one with the reason where it does not end well."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [Row(what, note=f"not measured: {error}")]
    found = heard(done.stdout)
    if done.returncode == 0:
        return found
    return [*found, Row(what, note=f"not measured: {_end_of(done)}")]


def _end_of(done: "subprocess.CompletedProcess[str]") -> str:
    """The last line of what it said, and the signal that ended it if one did."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    said = lines[-1] if lines else "it said nothing"
    if done.returncode >= 0:
        return f"{said} (exit {done.returncode})"
    return f"{said} (ended by {signal.Signals(-done.returncode).name})"
