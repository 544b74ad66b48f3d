"""`of3 run` by many processes, as a user runs it: the same files as by one, whatever ends in between."""

import csv
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from of3.runtime.commands.cli import main

LOCAL = ("--executor", "local", "--workers", "2")
MEMORY = Path("/sys/fs/cgroup/memory")  # version 1


def call(command, **named):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **named)


def rows(folder):
    with (folder / "openface3.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def told(folder):
    return json.loads((folder / "run.json").read_text())


def counts(folder):
    return told(folder)["counts"]


def children(process):
    """Workers of a run: its children but for Python's own helper."""
    try:
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [
            int(pid) for pid in listed if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
    except OSError:
        return []


def test_two_processes_write_what_one_does(many, standin_root, tmp_path, undisturbed, files, command):
    done = call(command(many, standin_root, tmp_path, *LOCAL))
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "openface3") == undisturbed
    assert done.stderr.count("STAND-IN WEIGHTS") == 1
    assert "done 270, failed 30 (unreadable 30)" in done.stderr
    assert told(tmp_path / "openface3")["processes"] == {"at_once": 2, "why": ""}


def test_four_shares_at_once_and_their_merge_write_what_one_process_does(
    many, standin_root, tmp_path, undisturbed, files, command
):
    """Nobody planned for them: the first that is ready does."""
    shares = [
        subprocess.Popen(command(many, standin_root, tmp_path, "--shard", f"{n}/4"), stderr=subprocess.PIPE)
        for n in (1, 2, 3, 4)
    ]
    said = [share.communicate()[1].decode() for share in shares]
    assert [share.returncode for share in shares] == [0] * 4, said
    assert not (tmp_path / "openface3" / "openface3.csv").exists()
    assert main(["merge", "--logs", str(tmp_path)]) == 0
    assert files(tmp_path / "openface3") == undisturbed
    again = call(command(many, standin_root, tmp_path, "--shard", "0/4", "--override"))
    assert (again.returncode, "merged already, nothing to do" in again.stderr) == (0, True)
    assert files(tmp_path / "openface3") == undisturbed


def test_the_same_share_twice_at_once_changes_nothing(
    many, standin_root, tmp_path, undisturbed, files, command
):
    """Both plan, and both do every shard that they find undone; one of each wins."""
    rivals = [subprocess.Popen(command(many, standin_root, tmp_path, "--shard", "0/1")) for _ in range(2)]
    assert [rival.wait(300) for rival in rivals] == [0, 0]
    plan = tmp_path / "openface3" / "plan"
    assert list((plan / "writing").iterdir()) == []
    parts = {path: path.read_bytes() for path in plan.rglob("*.done")}
    assert call(command(many, standin_root, tmp_path, "--shard", "0/1")).returncode == 0
    assert {path: path.read_bytes() for path in plan.rglob("*.done")} == parts
    assert main(["merge", "--logs", str(tmp_path)]) == 0
    assert files(tmp_path / "openface3") == undisturbed


def test_a_share_can_be_many_processes_and_a_missing_one_is_named(
    many, standin_root, tmp_path, undisturbed, files, command, caplog
):
    planned = ["manifest", "--aligned", str(many), "--logs", str(tmp_path), "--shard_size", "50"]
    assert main(planned) == 0
    assert main(planned) == 0  # the same plan
    assert call(command(many, standin_root, tmp_path, *LOCAL, "--shard", "0/2")).returncode == 0
    assert main(["merge", "--logs", str(tmp_path)]) == 2
    assert "got 3 of 6 shards, missing 1, 3, 5" in caplog.text
    assert call(command(many, standin_root, tmp_path, *LOCAL, "--shard", "1/2")).returncode == 0
    assert main(["merge", "--logs", str(tmp_path)]) == 0
    assert files(tmp_path / "openface3") == undisturbed


def test_the_same_command_again_does_nothing_and_override_starts_anew(run, out, single, files, caplog):
    assert run("--device", "cpu", *LOCAL) == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != "openface3.txt"}
    caplog.set_level("INFO", "of3")
    assert run("--device", "cpu", *LOCAL) == 0
    assert "nothing to do: all 6 pictures have their rows" in caplog.text
    unchanged = {"openface3.csv", "errors.tsv", "run.json", "au_info.json", "face_0.tsv"}
    assert {p.name for p, at in before.items() if p.exists() and p.stat().st_mtime_ns == at} >= unchanged
    assert files(out) == single
    assert run("--device", "cpu", *LOCAL, "--override") == 0
    assert files(out) == single


def test_new_and_changed_pictures_are_done_by_whoever_goes_on(run, out, aligned, files):
    """Rows of one process and of several are one run, in both directions."""
    assert run("--device", "cpu") == 0
    shutil.copy(aligned / "face_2.png", aligned / "another.png")
    shutil.copy(aligned / "face_2.png", aligned / "face_1.png")
    assert run("--device", "cpu", *LOCAL, "--resume", "on") == 0
    assert (counts(out)["done"], counts(out)["skipped"]) == (2, 5)
    shutil.copy(aligned / "face_2.png", aligned / "a_third.png")
    assert run("--device", "cpu", "--resume", "on") == 0
    assert (counts(out)["done"], counts(out)["skipped"]) == (1, 7)
    found = files(out)
    shutil.rmtree(out)
    assert run("--device", "cpu") == 0
    fresh = files(out)
    assert [row["path"] for row in rows(out)] == sorted(row["path"] for row in rows(out))
    tables = {"openface3.csv", "errors.tsv", "au_info.json"}
    assert {name: found[name] for name in tables} == {name: fresh[name] for name in tables}


def test_failed_pictures_are_repeated_when_asked(run, out, aligned):
    assert run("--device", "cpu", *LOCAL) == 0
    status, good = (aligned / "broken.jpg").stat(), (aligned / "face_1.png").read_bytes()
    (aligned / "broken.jpg").write_bytes(good[: status.st_size])
    os.utime(aligned / "broken.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run("--device", "cpu", *LOCAL, "--resume", "on") == 0
    assert errors(out)[0][1].startswith("unreadable: not a JPEG")
    assert run("--device", "cpu", *LOCAL, "--retry_failed", "on") == 0
    assert [reason for _, reason in errors(out)] == ["truncated: the PNG ends early"]
    assert len(rows(out)) == 6


def test_other_flags_than_the_plans_are_refused_by_name(run, out, caplog):
    assert run("--device", "cpu", "--shard", "0/2", "--shard_size", "2") == 0
    assert run("--device", "cpu", "--shard", "1/2", "--th_smile", "0.4") == 2
    assert "flags.th_smile was 0.5, is 0.4" in caplog.text
    assert run("--device", "cpu", *LOCAL, "--th_smile", "0.4") == 2
    assert not (out / "openface3.csv").exists()
    assert run("--device", "cpu", *LOCAL, "--th_smile", "0.4", "--override") == 0
    assert len(rows(out)) == 6


def test_one_process_does_not_begin_where_many_are_at_it(run, out, caplog, single, files):
    assert run("--device", "cpu", "--shard", "0/2", "--shard_size", "2") == 0
    assert run("--device", "cpu") == 2
    assert "a run by many of 6 pictures is under way: go on with its command, or `of3 merge" in caplog.text
    assert not (out / "openface3.csv").exists()
    assert run("--device", "cpu", "--override") == 0
    assert files(out) == single
    assert main(["merge", "--logs", str(out.parent)]) == 2  # the plan went with what it was for


def test_another_bundle_is_refused_in_mid_plan(run, out, caplog, bundle_copy):
    assert run("--device", "cpu", "--shard", "0/2", "--shard_size", "2") == 0
    manifest = bundle_copy / "bundle.json"
    manifest.write_text(manifest.read_text() + " ")
    assert run("--device", "cpu", "--shard", "1/2", "--bundle", str(bundle_copy)) == 2
    assert "bundle was " in caplog.text


def test_a_plan_under_way_is_not_replaced_by_accident(run, out, aligned, tmp_path, caplog):
    assert run("--device", "cpu", "--shard", "0/2", "--shard_size", "2") == 0
    shutil.copy(aligned / "face_2.png", aligned / "another.png")
    planning = ["manifest", "--aligned", str(aligned), "--logs", str(tmp_path / "logs")]
    assert main(planning) == 2
    assert "is under way, 1 of 3 shards are left, and the folder has changed since" in caplog.text
    assert main([*planning, "--override"]) == 0


def test_it_goes_on_with_shares_that_were_begun_and_then_with_what_came_since(run, out, aligned, caplog):
    caplog.set_level("INFO", "of3")
    assert run("--device", "cpu", "--shard", "0/2", "--shard_size", "2") == 0
    shutil.copy(aligned / "face_2.png", aligned / "another.png")
    assert run("--device", "cpu", *LOCAL) == 0
    assert "going on with the plan of" in caplog.text
    assert rows(out)[0]["file"] == "another.png"
    assert len(rows(out)) == 7


# -- what ends in between -----------------------------------------------------------------------------------


def with_comment(aligned, source, name, comment):
    import cv2

    pixels = cv2.imread(str(aligned / source))
    assert pixels is not None
    content = cv2.imencode(".jpg", pixels)[1].tobytes()
    (aligned / name).write_bytes(content + comment)


def limited(limit_mb):
    """Run this process in a memory group of its own; the kernel ends what goes beyond."""
    group = MEMORY / f"of3-test-{os.getpid()}"
    group.mkdir(exist_ok=True)
    (group / "memory.limit_in_bytes").write_text(str(limit_mb << 20))
    (group / "cgroup.procs").write_text(str(os.getpid()))


@pytest.mark.long
def test_pictures_that_end_their_worker_cost_their_own_row(
    aligned, standin_root, tmp_path, faulty, command, files
):
    """One segfaults its decoder, one makes its worker run out of memory; each has its reason."""
    if not os.access(MEMORY / "cgroup.procs", os.W_OK):
        pytest.skip(f"no memory group can be made here: {MEMORY} cannot be written to")
    for number in range(8):
        shutil.copy(aligned / "face_1.png", aligned / "sub" / f"more_{number}.png")
    assert call(command(aligned, standin_root, tmp_path / "good")).returncode == 0
    with_comment(aligned, "face_0.png", "face_4.jpg", b"segfault")
    with_comment(aligned, "face_0.png", "sub/face_4.jpg", b"all memory")
    start = time.monotonic()
    done = call(
        command(aligned, standin_root, tmp_path / "bad", *LOCAL, "--shard_size", "100"),
        env=faulty,
        preexec_fn=lambda: limited(1800),
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < 180
    good, bad = tmp_path / "good" / "openface3", tmp_path / "bad" / "openface3"
    assert len(rows(bad)) == len(rows(good)) + 2
    assert [row for row in rows(bad) if row["file"] != "face_4.jpg"] == rows(good)
    reasons = {os.path.relpath(path, aligned): reason for path, reason in errors(bad)}
    assert reasons.pop("broken.jpg").startswith("unreadable")
    assert reasons == {
        "face_4.jpg": "killed its worker 3 times: its process was ended by SIGSEGV",
        "sub/face_4.jpg": "killed its worker 3 times: its process was ended by SIGKILL, out of memory",
    }
    per_image = {name: content for name, content in files(good).items() if name.startswith("per_image")}
    assert {name: content for name, content in files(bad).items() if name.startswith("per_image")} == per_image


def errors(folder):
    with (folder / "errors.tsv").open(newline="") as file:
        return [(row["path"], row["reason"]) for row in csv.DictReader(file, delimiter="\t")]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long)]
)
@pytest.mark.parametrize("flags", [LOCAL, pytest.param(("--shard", "0/1"), marks=pytest.mark.long)])
def test_a_signal_keeps_what_is_done_and_the_same_command_goes_on(
    more, standin_root, tmp_path, undisturbed_more, files, command, at_work, number, status, flags
):
    flags = (*flags, "--shard_size", "750")
    process = subprocess.Popen(command(more, standin_root, tmp_path, *flags), stderr=subprocess.PIPE, text=True)
    plan = tmp_path / "openface3" / "plan"
    at_work(tmp_path)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == status, said
    assert "the same command goes on from there" in said
    kept = {path: path.read_bytes() for path in plan.rglob("*.done")}
    assert kept, "nothing was kept"
    done = call(command(more, standin_root, tmp_path, *flags))
    assert done.returncode == 0, done.stderr
    assert kept.items() < {path: path.read_bytes() for path in plan.rglob("*.done")}.items()
    if flags[0] == "--shard":
        assert main(["merge", "--logs", str(tmp_path)]) == 0
    assert files(tmp_path / "openface3") == undisturbed_more


def test_workers_end_with_the_process_that_hired_them(many, standin_root, tmp_path, command):
    process = subprocess.Popen(command(many, standin_root, tmp_path, *LOCAL), stderr=subprocess.DEVNULL)
    while len(workers := children(process)) < 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("whom", [pytest.param("driver", marks=pytest.mark.long), "workers"])
def test_killed_at_its_work_nothing_is_lost_repeated_or_torn(
    more, standin_root, tmp_path, undisturbed_more, command, killed_and_run_again, whom
):
    """Every other moment: test_crash_points.py."""
    again = command(more, standin_root, tmp_path, *LOCAL)
    victims = children if whom == "workers" else None
    killed_and_run_again(again, tmp_path / "openface3", undisturbed_more, victims)
