"""Whoever listens, or does not: a run is the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

OF3 = "import sys; from of3.runtime.commands.cli import main; sys.exit(main(sys.argv[1:]))"


TAKEN = "import os; os.open('/dev/null', os.O_RDONLY);"  # as a library may that is loaded early


def started(aligned, standin_root, tmp_path, before="", **streams):
    where = ["--aligned", aligned, "--logs", tmp_path / "logs", "--of3_root", standin_root, "--device", "cpu"]
    return subprocess.Popen([sys.executable, "-c", before + OF3, "run", *map(str, where)], **streams)


@pytest.mark.parametrize("before", ["", TAKEN])
@pytest.mark.parametrize("closed", [(2,), (1, 2), (0, 1, 2)])
def test_streams_that_a_launcher_closed_are_opened_on_the_null_device(
    aligned, standin_root, tmp_path, run, out, files, closed, before
):
    """As cron may: otherwise a table gets stderr's number, and what is said."""
    assert run("--device", "cpu") == 0
    want = files(out)

    def close():
        for number in closed:
            os.close(number)

    process = started(aligned, standin_root, tmp_path / "other", before, preexec_fn=close)
    assert process.wait() == 0
    assert files(tmp_path / "other" / "logs" / "openface3") == want


@pytest.mark.parametrize("kind", ["a pipe that nobody reads", "a full disk"])
def test_what_cannot_be_said_ends_no_run(aligned, standin_root, tmp_path, kind):
    if kind == "a full disk":
        with Path("/dev/full").open("wb") as full:
            process = started(aligned, standin_root, tmp_path, stdout=full, stderr=full)
    else:
        process = started(aligned, standin_root, tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()
    assert process.wait() == 0
    assert (tmp_path / "logs" / "openface3" / "openface3.csv").read_text().count("\n") == 7
