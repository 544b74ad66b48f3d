"""`of3 live`, on files that are played as a camera would send them; stand-in networks see faces in noise."""

import csv
import json
import math
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise

import cv2
import numpy as np
import pytest

from of3.runtime.commands.live import main
from of3.runtime.live_options import STREAM
from of3.runtime.logs.columns import names_of
from of3.runtime.tables.video_rows import video_columns

PATIENCE_S = 120
RATE = 120  # more than any machine analyses
LATE_S = 0.25  # what a busy machine may take to wake a thread
# Discovery by multicast is what a machine without a network lacks; nor should tests be heard in one.
LOOPBACK = "[multicast]\nResolveScope = machine\nAddressesOverride = {127.0.0.1}\n[log]\nlevel = -2\n"


def noise(number):
    """A face or more, that move to the right."""
    grains = np.random.default_rng(3).integers(0, 256, (144, 192, 3), np.uint8)
    smooth = cv2.GaussianBlur(grains, (0, 0), 1.5).astype(np.float32)
    pixels = ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)
    return np.roll(pixels, number, axis=1)


def grey(number):
    return np.full((144, 192, 3), 60, np.uint8)


def half_empty(number):
    """Faces in every second third of a second."""
    return grey(number) if number // 40 % 2 else noise(number)


@pytest.fixture
def logs(tmp_path):
    return tmp_path / "logs"


@pytest.fixture
def stream(write, tmp_path):
    """Makes a file of 120 frames a second."""

    def made(seconds, pixels):
        count = round(seconds * RATE)
        times_ms = [round(1000 * number / RATE) for number in range(count)]
        return write(tmp_path / "stream.mkv", count, times_ms=times_ms, between=0, pixels=pixels)

    return made


def words(logs, root, *flags):
    return [*map(str, flags), "--logs", str(logs), "--of3_root", str(root), "--device", "cpu"]


def started(logs, root, *flags, **more):
    """The command as a process of its own, with a row written."""
    code = "import sys; from of3.runtime.commands.live import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *words(logs, root, *flags)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **more)
    end_s = time.monotonic() + PATIENCE_S
    while not any(path.read_bytes().count(b"\n") > 2 for path in (logs / "openface3").glob("live/*.csv")):
        assert process.poll() is None and time.monotonic() < end_s, "it wrote no row"
        time.sleep(0.01)
    return process


def table(logs):
    (path,) = (logs / "openface3" / "live").glob("*.csv")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def facts(logs):
    (path,) = (logs / "openface3" / "live").glob("*.json")
    return json.loads(path.read_text())


def test_frames_that_come_too_fast_are_dropped_for_the_newest(stream, logs, standin_root, caplog):
    path = stream(2.0, noise)
    assert main(words(logs, standin_root, "--url", path, "--landmarks", "off", "--faces", "best")) == 0
    rows, told = table(logs), facts(logs)
    numbers = [int(row["frame"]) for row in rows]
    assert numbers == sorted(set(numbers)) and numbers[-1] == 239
    assert max(after - before for before, after in pairwise(numbers)) > 1
    assert told["frames_grabbed"] == 240
    assert told["frames_dropped"] == 240 - len(rows) > 0
    assert f"{len(rows)} frames" in caplog.text and f"{240 - len(rows)} dropped" in caplog.text
    assert [float(row["timestamp"]) for row in rows] == [round(1000 * n / RATE) / 1000 for n in numbers]
    assert {row["time_source"] for row in rows} == {"pts"}
    for before, after in pairwise(rows):
        done_s = float(before["wall_time"]) + float(before["latency_ms"]) / 1000
        waited_s = done_s - float(after["wall_time"])
        assert waited_s < 1 / RATE + LATE_S, "a frame that is taken up came just before"
    latencies = sorted(float(row["latency_ms"]) for row in rows)
    assert told["latency_ms"]["max"] == pytest.approx(latencies[-1], abs=1)
    assert told["latency_ms"]["median"] == pytest.approx(latencies[math.ceil(len(rows) / 2) - 1], abs=1)
    assert told["ended"] == "end of the recording"


def test_the_columns_are_a_videos_and_two_more(stream, logs, standin_root):
    path = stream(0.1, grey)
    assert main(words(logs, standin_root, "--url", path)) == 0
    rows = table(logs)
    assert tuple(rows[0]) == (*names_of(video_columns(98)), "latency_ms", "wall_time")
    assert re.fullmatch(r"\d+\.\d", rows[0]["latency_ms"])
    assert re.fullmatch(r"\d+\.\d{6}", rows[0]["wall_time"])
    assert abs(float(rows[-1]["wall_time"]) - time.time()) < 60
    assert rows[0]["success"] == "0"


def test_after_the_seconds_asked_for_it_ends(stream, logs, standin_root):
    path = stream(3.0, grey)
    assert main(words(logs, standin_root, "--url", path, "--landmarks", "off", "--seconds", "0.5")) == 0
    told = facts(logs)
    assert told["ended"] == "--seconds" and told["finished"] is True
    assert 0.5 <= told["elapsed_s"] < 0.5 + 4 * LATE_S + told["latency_ms"]["max"] / 1000


def test_who_asks_it_to_end_gets_whole_rows_and_status_0(stream, logs, standin_root):
    process = started(logs, standin_root, "--url", stream(5.0, noise), "--faces", "best", "--landmarks", "off")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    told = facts(logs)
    assert told["ended"] == "asked to"
    assert told["frames_analysed"] == len(table(logs)) == told["frames_grabbed"] - told["frames_dropped"]


def test_a_kill_leaves_whole_rows(stream, logs, standin_root):
    process = started(logs, standin_root, "--url", stream(5.0, noise))
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    (path,) = (logs / "openface3" / "live").glob("*.csv")
    lines = path.read_text().split("\n")
    assert lines[-1] == "" and len({line.count(",") for line in lines[:-1]}) == 1
    assert facts(logs)["finished"] is False


@pytest.mark.usefixtures("av")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (["--device_index", "97"], "camera 97: no such camera"),
        (["--url", "none.mp4"], "none.mp4: unreadable: No such file or directory"),
        (["--url", "gopher://x"], "got gopher://x, want rtsp, "),
        (["--url", "http://127.0.0.1:9/live"], "http://127.0.0.1:9/live: Connection refused"),
    ],
)
def test_a_source_that_is_not_there_is_exit_2(source, said, logs, standin_root, caplog):
    assert main(words(logs, standin_root, *source, "--landmarks", "off")) == 2
    assert said in caplog.text
    assert not list((logs / "openface3").glob("live/*"))


def test_a_stream_that_stays_away_is_exit_1_with_its_rows(
    write, tmp_path, server, over_http, logs, standin_root, caplog
):
    answer = over_http(write(tmp_path / "sent.ts", 10, between=0, pixels=grey))
    with server(answer, answer) as port:
        url = f"http://me:secret@127.0.0.1:{port}/live"
        flags = ["--url", url, "--patience", "0.5", "--landmarks", "off"]
        assert main(words(logs, standin_root, *flags)) == 1
    name = f"http://127.0.0.1:{port}/live"
    assert f"{name}: lost (it ended), and did not come back: Connection refused" in caplog.text
    told = facts(logs)
    assert told["finished"] is True and "did not come back" in told["ended"]
    assert (told["frames_grabbed"], len(told["losses"])) == (20, 1)
    assert table(logs)[-1]["frame"] == "19"
    (line,) = (logs / "openface3" / "errors.tsv").read_text().splitlines()[1:]
    assert line.startswith(f"{name}\tread\t") and line.endswith(" s: it ended")
    assert not any(b"secret" in path.read_bytes() for path in logs.rglob("*") if path.is_file())


def test_each_run_has_its_own_files(stream, logs, standin_root):
    path = stream(0.05, grey)
    for _ in range(2):
        assert main(words(logs, standin_root, "--url", path, "--landmarks", "off")) == 0
    assert len(list((logs / "openface3" / "live").glob("*.csv"))) == 2
    assert len(list((logs / "openface3" / "live").glob("*.json"))) == 2


@pytest.fixture
def lsl(tmp_path, monkeypatch):
    """pylsl, of which nothing leaves this machine."""
    (tmp_path / "lsl_api.cfg").write_text(LOOPBACK)
    monkeypatch.setenv("LSLAPICFG", str(tmp_path / "lsl_api.cfg"))
    return pytest.importorskip("pylsl", reason="the extra live is not installed")


def received(lsl):
    """What an inlet gets of a stream: its description, and samples with their stamps, some without a face."""
    (found,) = lsl.resolve_byprop("name", STREAM, 1, PATIENCE_S)
    inlet = lsl.StreamInlet(found, recover=False)
    info = inlet.info()
    samples: list[tuple[list[float], float]] = []
    place = info.get_channel_labels().index("success")
    while len(samples) < 5 or {sample[place] for sample, _ in samples} != {0.0, 1.0}:
        samples.append(inlet.pull_sample(PATIENCE_S))
    inlet.close_stream()
    return info, samples


def test_lsl_gets_the_best_face_of_each_frame_with_names_and_units(stream, logs, standin_root, lsl):
    process = started(logs, standin_root, "--url", stream(10.0, half_empty), "--lsl", "--landmarks", "off")
    info, samples = received(lsl)
    process.terminate()
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    labels = info.get_channel_labels()
    assert labels == [
        name for name in names_of(video_columns(0)) if name not in ("timestamp", "time_source", "emotion")
    ] + ["latency_ms"]
    units = dict(zip(labels, info.get_channel_units(), strict=True))
    assert (units["gaze_yaw"], units["box_w"], units["pose_Tz"]) == ("radians", "pixels", "millimeters")
    assert (units["AU12"], units["latency_ms"], units["frame"]) == ("normalized", "milliseconds", "none")
    assert (info.type(), info.nominal_srate()) == ("Face", lsl.IRREGULAR_RATE)
    assert info.source_id() == facts(logs)["lsl"]["source_id"]
    best: dict[str, dict[str, str]] = {}
    for row in sorted(table(logs), key=lambda row: row["confidence"]):  # of one width
        best[row["frame"]] = row
    for sample, _ in samples:
        row = best[str(int(sample[0]))]
        want = [float(row[label]) if row[label] else math.nan for label in labels]
        assert sample == pytest.approx(want, rel=1e-6, nan_ok=True)
    stamps = [stamp for _, stamp in samples]
    assert stamps == sorted(set(stamps))
    walls = [float(best[str(int(sample[0]))]["wall_time"]) for sample, _ in samples]
    apart = [wall - stamp for wall, stamp in zip(walls, stamps, strict=True)]
    assert max(apart) - min(apart) < 0.01, "both are of when the frame was grabbed"
