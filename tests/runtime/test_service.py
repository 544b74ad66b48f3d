"""examples/service.py by real HTTP: what it answers, and to whom."""

import json
import runpy
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import cv2
import numpy as np
import pytest

import of3

SERVICE = Path(__file__).resolve().parents[2] / "examples" / "service.py"
PATIENCE_S = 60


def ended(process):
    """As servers do, and well."""
    process.terminate()
    said = process.communicate(timeout=PATIENCE_S)[1]
    assert "Traceback" not in said, said


@pytest.fixture
def processes():
    """What is served from; each ends with the test."""
    pytest.importorskip("fastapi", reason="an extra")
    pytest.importorskip("uvicorn", reason="an extra")
    running: list[subprocess.Popen[str]] = []
    yield running
    for process in running:
        ended(process)


@pytest.fixture
def serve(bundle_folder, processes):
    """Starts the service with flags; gives its port."""

    def served(*flags):
        port = free_port()
        words = [sys.executable, SERVICE, bundle_folder, "--port", port, *flags]
        processes.append(subprocess.Popen(list(map(str, words)), stderr=subprocess.PIPE, text=True))
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s and processes[-1].poll() is None:
            try:
                assert asked(port, "/health")[0] == 200
                return port
            except OSError:
                time.sleep(0.1)
        raise AssertionError(processes[-1].communicate()[1])

    return served


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def asked(port, path, body=None, method=None):
    """Status, headers and body of an answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@contextmanager
def stalled(port):
    """A client that sends three bytes of its picture, and then no more."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
        client.sendall(b"POST /analyse HTTP/1.1\r\nHost: of3\r\nContent-Length: 5000\r\n\r\nabc")
        yield client


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


def test_who_stalls_while_sending_is_cut_off(serve):
    port = serve("--upload_s", "1")
    with stalled(port) as client:
        said = b"".join(iter(lambda: client.recv(1000), b""))  # to the end of the connection
    assert said.startswith(b"HTTP/1.1 408 ") and said.endswith(b'{"reason":"got 3 bytes in 1 s, want all"}')
    assert metrics(port)['of3_requests_total{status="408"}'] == 1


def test_who_goes_away_while_sending_is_counted(serve):
    port = serve()
    with stalled(port):
        pass
    end_s = time.monotonic() + PATIENCE_S
    while metrics(port).get('of3_requests_total{status="499"}') != 1:
        assert time.monotonic() < end_s
        time.sleep(0.05)


@pytest.mark.long
def test_no_client_that_stalls_keeps_the_service_from_ending(serve, processes):
    with stalled(serve("--upload_s", "600")) as client:
        time.sleep(1)  # until it is being served
        ended(processes.pop())
        assert client.recv(1000).startswith(b"HTTP/1.1 503 ")


def test_a_small_file_of_many_pixels_is_not_decoded(serve):
    port = serve("--max_megapixels", "1")
    pictures = [cv2.imencode(".png", np.zeros((1000, width), np.uint8))[1].tobytes() for width in (1000, 1001)]
    (fits, _, _), (too_large, _, body) = (asked(port, "/analyse", picture) for picture in pictures)
    assert (fits, too_large) == (200, 422)
    assert json.loads(body) == {"stage": "read", "reason": "too large: want at most 1000000 pixels"}


def test_balancers_ask_by_head(serve):
    port = serve()
    assert [asked(port, path, method="HEAD")[::2] for path in ("/health", "/metrics")] == [(200, b"")] * 2


def test_pages_that_load_scripts_from_elsewhere_are_not_there(serve):
    port = serve()
    assert [asked(port, path)[0] for path in ("/docs", "/redoc")] == [404, 404]
    assert json.loads(asked(port, "/openapi.json")[2])["info"]["version"] == of3.__version__


class Ailing(of3.Pipeline):
    """One that can be made to fail as a full disk or too little memory does it."""

    fault: Exception | None = None

    def run_keyed(self, pictures, au_to_index=None):
        for each in super().run_keyed(pictures, au_to_index):
            if self.fault is not None:
                raise self.fault
            yield each


@contextmanager
def served_here(pipeline):
    """The example's service in a thread of this process; its port."""
    uvicorn = pytest.importorskip("uvicorn", reason="an extra")
    pytest.importorskip("fastapi", reason="an extra")
    app = runpy.run_path(str(SERVICE))["service"](pipeline, 4, 10**6, PATIENCE_S)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(OSError(28, "No space left"), "[Errno 28] No space left"), (MemoryError(), "MemoryError()")],
)
def test_an_error_that_passes_is_told_until_a_picture_is_analysed_again(
    bundle_folder, standin_root, fault, reason
):
    picture = (standin_root / "images" / "face_1.png").read_bytes()
    with Ailing.open(bundle_folder) as pipeline, served_here(pipeline) as port:
        assert isinstance(pipeline, Ailing)
        pipeline.fault = fault
        status, _, body = asked(port, "/analyse", picture)
        assert (status, json.loads(body)) == (503, {"reason": reason})
        pipeline.fault = None
        assert asked(port, "/analyse", b"none")[0] == 422  # which no network has seen
        status, _, body = asked(port, "/health")
        assert (status, json.loads(body)["error"]) == (503, reason)
        assert asked(port, "/analyse", picture)[0] == 200
        assert asked(port, "/health")[0] == 200


def test_a_pipeline_that_no_longer_works_is_told_to_all_who_ask(bundle_folder):
    pytest.importorskip("fastapi", reason="an extra")
    pytest.importorskip("uvicorn", reason="an extra")
    service = runpy.run_path(str(SERVICE))
    with of3.Pipeline.open(bundle_folder) as pipeline:
        batcher = service["Batcher"](pipeline, 4)
        assert isinstance(batcher.put(b"none").result(PATIENCE_S), of3.Failure)
        assert batcher.error is None
    for _ in range(2):
        with pytest.raises(of3.Closed):
            batcher.put(b"none").result(PATIENCE_S)
    assert isinstance(batcher.error, of3.Closed)
    batcher.close()
