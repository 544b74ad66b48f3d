"""The programs in examples/ do what they say, each as a user starts it."""

import json
import runpy
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest

import of3

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PATIENCE_S = 60


def started(name, *words, status=0):
    """Lines of an example."""
    command = [sys.executable, EXAMPLES / name, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout.splitlines()


def test_there_is_none_that_is_not_tried():
    text = Path(__file__).read_text("utf-8")
    assert all(f'"{path.name}"' in text for path in EXAMPLES.iterdir() if path.suffix == ".py")


def test_a_folder(bundle_folder, standin_root, tmp_path):
    shutil.copytree(standin_root / "images", tmp_path / "images")
    (tmp_path / "images" / "zz.png").write_text("none")
    *good, bad = started("folder.py", bundle_folder, tmp_path / "images")
    assert len(good) == 11 and all(" rad\tAU12 " in line for line in good)
    assert bad.startswith(f"{tmp_path}/images/zz.png\tread: ")


def test_arrays(bundle_folder, standin_root):
    size, *faces = started("arrays.py", bundle_folder, standin_root / "images" / "face_1.png")
    assert size == f"256x256 pixels, faces: {len(faces)}"


def test_a_video(bundle_folder, write, tmp_path):
    lines = started("video.py", bundle_folder, write(tmp_path / "a.mp4", frames=30))
    assert {line.split(" s\t")[0].strip() for line in lines} == {f"{number / 5:.3f}" for number in range(5)}


@pytest.mark.long
def test_actors_of_ray(bundle_folder, standin_root, ray_alone):
    pytest.importorskip("ray", reason="an extra")
    lines = started("ray_actor.py", bundle_folder, standin_root / "images")
    assert len(lines) == 11 and all("\tAU12 0." in line for line in lines)


@pytest.fixture
def serve(bundle_folder, tmp_path):
    """Starts the service with flags; gives its port.  It ends as servers do, and well."""
    pytest.importorskip("fastapi", reason="an extra")
    pytest.importorskip("uvicorn", reason="an extra")
    processes = []

    def served(*flags):
        port = free_port()
        words = [sys.executable, EXAMPLES / "service.py", bundle_folder, "--port", port, *flags]
        processes.append(subprocess.Popen(list(map(str, words)), stderr=subprocess.PIPE, text=True))
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s and processes[-1].poll() is None:
            try:
                assert asked(port, "/health")[0] == 200
                return port
            except OSError:
                time.sleep(0.1)
        raise AssertionError(processes[-1].communicate()[1])

    yield served
    for process in processes:
        process.terminate()
        said = process.communicate(timeout=PATIENCE_S)[1]
        assert "Traceback" not in said, said


def free_port():
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def asked(port, path, body=None):
    """Status, headers and body of an answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def metrics(port):
    lines = asked(port, "/metrics")[2].decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_the_service_analyses_refuses_and_counts(serve, standin_root):
    port, picture = serve("--max_mb", "1"), (standin_root / "images" / "face_1.png").read_bytes()
    status, _, body = asked(port, "/analyse", picture)
    found = json.loads(body)
    assert status == 200 and sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert set(found["aus"]) == {f"AU{unit}" for unit in (1, 2, 4, 6, 9, 12, 25, 26)}
    status, _, body = asked(port, "/analyse", b"none")
    assert (status, json.loads(body)["stage"]) == (422, "read")
    assert asked(port, "/analyse", b"x" * 1_000_001)[0] == 413
    counted = metrics(port)
    assert counted['of3_requests_total{status="200"}'] == counted['of3_requests_total{status="422"}'] == 1
    assert counted["of3_pictures_total"] == 2 and counted["of3_request_seconds_count"] == 3


def test_requests_at_once_go_through_together_and_too_many_are_told_to_come_again(serve, standin_root):
    port, picture = serve("--waiting", "4"), (standin_root / "images" / "face_1.png").read_bytes()
    with ThreadPoolExecutor(32) as clients:
        answers = list(clients.map(lambda _: asked(port, "/analyse", picture), range(200)))
    statuses = [status for status, _, _ in answers]
    assert set(statuses) == {200, 429}
    assert len({body for status, _, body in answers if status == 200}) == 1, "all are of the same picture"
    assert all(headers["Retry-After"] == "1" for status, headers, _ in answers if status == 429)
    counted = metrics(port)
    assert counted["of3_pictures_total"] == statuses.count(200) > counted["of3_calls_total"]


def test_who_goes_away_costs_nobody_else_an_answer(serve, standin_root):
    port, picture = serve(), (standin_root / "images" / "face_1.png").read_bytes()

    def gone():
        connection = HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/analyse", picture)
        connection.close()

    threads = [threading.Thread(target=gone) for _ in range(16)]
    for thread in threads:
        thread.start()
    assert [asked(port, "/analyse", picture)[0] for _ in range(8)] == [200] * 8
    for thread in threads:
        thread.join()
    assert asked(port, "/health")[0] == 200


def test_a_pipeline_that_no_longer_works_is_told_to_all_who_ask(bundle_folder):
    pytest.importorskip("fastapi", reason="an extra")
    pytest.importorskip("uvicorn", reason="an extra")
    service = runpy.run_path(str(EXAMPLES / "service.py"))
    with of3.Pipeline.open(bundle_folder) as pipeline:
        batcher = service["Batcher"](pipeline, 4)
        assert isinstance(batcher.put(b"none").result(PATIENCE_S), of3.Failure)
        assert batcher.error is None
    for _ in range(2):
        with pytest.raises(of3.Closed):
            batcher.put(b"none").result(PATIENCE_S)
    assert isinstance(batcher.error, of3.Closed)
    batcher.close()
