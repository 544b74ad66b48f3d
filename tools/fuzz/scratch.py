"""A folder where log folders are tampered with, and commands in processes of their own."""

import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from of3.export.pictures import draw_face
from of3.runtime.commands import flags
from of3.runtime.commands.cli import main as command
from of3.runtime.logs.folder import FOLDER
from of3.runtime.runs.records import open_records
from of3.runtime.types import RunError
from tools.bench.pictures import jpeg

HANGS_AFTER_S = 20.0
OUTSIDE = "outside"

options_of = flags.CommandLine.options
flags.CommandLine.options = lambda self: replace(options_of(self), engine="fake")  # type: ignore[method-assign]


@dataclass(frozen=True)
class Scratch:
    """Where it happens: pictures, log folders as they were before, and what nothing may be written to."""

    folder: Path
    root: Path

    def words(self, name: str) -> list[str]:
        logs = ["--logs", str(self.folder / "logs")]
        of_run = ["--aligned", str(self.folder / "in"), *logs, "--of3_root", str(self.root)]
        of_run += ["--device", "cpu", "--no_calib", "on"]
        share = ["--shard", "0/1", "--shard_size", "2"]
        return {
            "run": ["run", *of_run, "--extra_csv", "on"],
            "override": ["run", *of_run, "--extra_csv", "on", "--override"],
            "resume": ["run", *of_run, "--extra_csv", "on", "--resume", "on"],
            "share": ["run", *of_run, *share],
            "local": ["run", *of_run, "--executor", "local", "--workers", "1"],
            "manifest": ["manifest", *of_run, "--shard_size", "2"],
            "merge": ["merge", *logs],
            "render": ["render", str(self.folder / "logs"), "--th_smile", "0.2"],
        }[name]

    def do(self, name: str) -> int:
        """A command in this process; its status."""
        if name != "records":
            return command(self.words(name))
        try:
            with open_records(self.folder / "logs") as records:
                list(records)
        except (RunError, OSError) as error:
            print(f"of3: {error}", file=sys.stderr)
            return 2
        return 0

    def restore(self, state: str) -> Path:
        """The log folder as it was in a state."""
        logs = self.folder / "logs"
        shutil.rmtree(logs, ignore_errors=True)
        if logs.is_symlink() or logs.exists():
            logs.unlink()
        shutil.copytree(self.folder / state, logs)
        return logs / FOLDER


STATES = {
    "new": (),
    "done": ("run",),
    "shared": ("manifest", "share"),
    "merged": ("manifest", "share", "merge"),
}
COMMANDS = {
    "new": ("run", "share", "manifest", "local"),
    "done": ("run", "override", "resume", "render", "records", "manifest", "local"),
    "shared": ("share", "merge", "manifest", "override", "records"),
    "merged": ("merge", "resume", "share", "render"),
}


def made_ready(folder: Path, root: Path) -> Scratch:
    scratch = Scratch(folder, root)
    for number, name in enumerate(("a.jpg", "b.jpg", "sub/a.jpg", "none.jpg", "z.jpg")):
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"none" if name == "none.jpg" else jpeg(draw_face(number, 48)))
    make_outside(folder / OUTSIDE)
    for state, steps in STATES.items():
        (folder / "empty" / FOLDER).mkdir(parents=True, exist_ok=True)
        scratch.restore("empty")
        for step in steps:
            status, said = in_child(lambda step=step: scratch.do(step))  # type: ignore[misc]
            assert status == 0, said
        shutil.copytree(folder / "logs", folder / state)
    return scratch


def make_outside(folder: Path) -> None:
    """What nothing may be written to."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "folder").mkdir(parents=True)
    (folder / "victim").write_text("theirs\n")


def in_child(step: Callable[[], int]) -> tuple[int, str]:
    """Do a step in a process of its own: its exit status, minus the signal that ended it, and what it said."""
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.setsid()  # so that its workers can be ended with it
            for number in (1, 2):
                os.dup2(said.fileno(), number)
            status = 99
            try:
                status = step()
            except SystemExit as left:
                status = int(left.code or 0)
            except Exception:  # noqa: BLE001  what this looks for
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        ends_s = time.monotonic() + HANGS_AFTER_S
        while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
            if time.monotonic() > ends_s:
                os.killpg(child, signal.SIGKILL)
            time.sleep(0.002)
        said.seek(0)
        return os.waitstatus_to_exitcode(ended[1]), said.read().decode(errors="replace")


def wrong_with(status: int, said: str) -> str:
    """What no command may do, whatever it finds."""
    if status == -signal.SIGKILL:
        return f"hangs for {HANGS_AFTER_S:.0f} s"
    if status not in (0, 1, 2):
        return f"status {status}"
    return "a traceback" if "Traceback" in said else ""


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}
