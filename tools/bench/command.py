"""Processes of their own: `of3`, and the tools beside this file."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]  # where `module` commands are to be run
# Prints its peak resident memory, in KB: what `wait4` tells of a child counts its parent's, from before it was
# another program, as well.
START = """
import sys
from of3.runtime.commands.cli import main
status = main()
with open("/proc/self/status") as file:
    print(next(line for line in file if line.startswith("VmHWM:")).split()[1])
sys.exit(status)
"""


def of3(command: str, *words: object) -> list[str]:
    return [sys.executable, "-c", START, command, *map(str, words)]


def of3_run(folder: Path, logs: Path | str, root: Path, flags: Sequence[str] = ()) -> list[str]:
    """Analyse a folder on the CPU, without help file and calibration: no figure is about them."""
    where = ("--aligned", folder, "--logs", logs, "--of3_root", root)
    return of3("run", *where, "--device", "cpu", "--help", "off", "--no_calib", "on", *flags)


def run_info(folder: Path, root: Path) -> dict[str, Any]:
    """run.json of a run over a folder, and `peak_mb`, its peak resident memory."""
    with tempfile.TemporaryDirectory() as logs:
        printed = subprocess.check_output(of3_run(folder, logs, root), stderr=subprocess.DEVNULL)
        info: dict[str, Any] = json.loads((Path(logs) / "openface3" / "run.json").read_text())
    return {**info, "peak_mb": int(printed.split()[-1]) / 1024}


def module(name: str, *words: object, python: str = sys.executable) -> list[str]:
    return [python, "-m", f"tools.bench.{name}", *map(str, words)]
