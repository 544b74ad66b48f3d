"""`of3 fetch-weights` against a server of the test's own, through the code that fetches the real ones."""

import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from of3.export import fetch as module
from of3.export.fetch import FetchFailed, fetch, main
from of3.export.published import PUBLISHED, REPOSITORY, PublishedFile

pytest.importorskip("huggingface_hub", reason="of3[fetch] is not installed")

CONTENT = {"a.pth": bytes(range(256)) * 48_000, "b.pkl": b"landmarks" * 1000}
WANTED = {
    name: PublishedFile(hashlib.sha256(content).hexdigest(), len(content)) for name, content in CONTENT.items()
}
COMMIT = "c" * 40


class Hub(http.server.BaseHTTPRequestHandler):
    """The hub's way of giving a file: HEAD tells its etag, size and commit, GET gives it, by ranges too."""

    protocol_version = "HTTP/1.1"
    server: "HubServer"

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, with_body):
        hub = self.server
        prefix, _, name = self.path.partition("/resolve/main/")
        if prefix != f"/{REPOSITORY}" or name not in hub.content:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = hub.content[name]
        start = 0
        if "Range" in self.headers:
            start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
        hub.asked.append((self.command, name, start))
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if with_body:
            cut = hub.cuts.pop(0) if hub.cuts else None
            self.wfile.write(content[start:] if cut is None else content[start : start + cut])
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_):
        pass


class HubServer(http.server.ThreadingHTTPServer):
    """`content`: by name.  `asked`: command, name and first byte.  `cuts`: where the next bodies break off."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Hub)
        self.content = dict(CONTENT)
        self.asked: list[tuple[str, str, int]] = []
        self.cuts: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def hub(monkeypatch):
    server = HubServer()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def held(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_fetched_checked_and_not_fetched_again(hub, tmp_path):
    fetch(tmp_path / "weights", WANTED, hub.url)
    assert held(tmp_path / "weights") == CONTENT
    asked = len(hub.asked)
    fetch(tmp_path / "weights", WANTED, hub.url)
    assert len(hub.asked) == asked


def test_a_wrong_file_is_deleted_and_reported(hub, tmp_path):
    hub.content["a.pth"] = b"x" * len(CONTENT["a.pth"])
    with pytest.raises(FetchFailed, match=r"a.pth: got sha256 .*, want .*: deleted"):
        fetch(tmp_path, WANTED, hub.url)
    assert [path for path in tmp_path.rglob("*") if path.suffix in (".pth", ".incomplete")] == []
    hub.content["a.pth"] = b"short"
    with pytest.raises(FetchFailed, match="got 5 bytes, want 12288000: deleted"):
        fetch(tmp_path, WANTED, hub.url)
    hub.content["a.pth"] = CONTENT["a.pth"]
    fetch(tmp_path, WANTED, hub.url)
    assert held(tmp_path) == CONTENT


def test_another_file_in_its_place_is_left_alone(hub, tmp_path):
    (tmp_path / "a.pth").write_bytes(b"mine")
    with pytest.raises(FetchFailed, match="move it away if it may be replaced"):
        fetch(tmp_path, WANTED, hub.url)
    assert (tmp_path / "a.pth").read_bytes() == b"mine"
    assert hub.asked == []


def test_a_named_pipe_in_its_place_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "Landmark_98.pkl")
    with pytest.raises(FetchFailed, match="not a regular file: move it away"):
        fetch(tmp_path, {"Landmark_98.pkl": PUBLISHED["Landmark_98.pkl"]}, None)


def test_a_download_that_breaks_off_is_gone_on_with(hub, tmp_path):
    hub.cuts = [11_000_000]  # of 12 288 000; what came is kept by the 10 MB
    fetch(tmp_path, WANTED, hub.url)
    assert held(tmp_path) == CONTENT
    starts = [start for command, name, start in hub.asked if (command, name) == ("GET", "a.pth")]
    assert starts[0] == 0
    assert starts[1] >= 10_000_000


def test_a_file_that_is_not_there_is_said(hub, tmp_path):
    del hub.content["b.pkl"]
    with pytest.raises(FetchFailed, match=r"b\.pkl: "):
        fetch(tmp_path, WANTED, hub.url)
    assert (tmp_path / "a.pth").exists()


def test_the_command_takes_the_published_digests(hub, tmp_path, caplog):
    """What this server gives is not what is published: nothing of it may stay."""
    hub.content = dict.fromkeys(PUBLISHED, b"not the weights")
    flags = ["--of3_root", str(tmp_path), "--endpoint", hub.url]
    assert main([*flags, "--accept_license"]) == 1
    assert "Alignment_RetinaFace.pth: got 15 bytes, want 1789735" in caplog.text
    assert list((tmp_path / "weights").glob("*.pth")) == []


def test_the_licence_is_shown_and_must_be_accepted(hub, tmp_path, capsys, monkeypatch):
    flags = ["--of3_root", str(tmp_path), "--endpoint", hub.url]
    assert main(flags) == 2
    assert "non-commercial" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    assert main(flags) == 2
    assert hub.asked == []
    monkeypatch.setattr("builtins.input", lambda _: "y")
    monkeypatch.setattr(module, "PUBLISHED", dict.fromkeys(PUBLISHED, WANTED["a.pth"]))
    hub.content = dict.fromkeys(PUBLISHED, CONTENT["a.pth"])
    assert main(flags) == 0
    assert sorted(held(tmp_path / "weights")) == [
        "Alignment_RetinaFace.pth",
        "Landmark_98.pkl",
        "MTL_backbone.pth",
    ]


@pytest.fixture(params=["nobody listens", "nobody answers", "no such name"])
def nowhere(request):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if request.param == "nobody answers":
            taken.listen()
        yield "nothing.invalid" if request.param == "no such name" else f"127.0.0.1:{taken.getsockname()[1]}"


def test_offline_is_one_sentence_within_seconds(nowhere, tmp_path):
    """In a process of its own, so that what the library itself writes is seen."""
    start = "import sys; from of3.export.fetch import main; sys.exit(main(sys.argv[1:]))"
    flags = ["--of3_root", tmp_path, "--accept_license", "--endpoint", f"http://{nowhere}"]
    started_s = time.monotonic()
    done = subprocess.run([sys.executable, "-c", start, *flags], capture_output=True, text=True, check=False)
    assert time.monotonic() - started_s < 15
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"of3: Alignment_RetinaFace.pth: no answer from {nowhere}")
    assert "--endpoint" in line


@pytest.mark.parametrize("endpoint", ["notaurl", "ftp://mirror", "https://"])
def test_an_endpoint_that_is_no_address_is_refused(tmp_path, endpoint, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--of3_root", str(tmp_path), "--endpoint", endpoint])
    assert f"got {endpoint!r}, want http://... or https://..." in capsys.readouterr().err
