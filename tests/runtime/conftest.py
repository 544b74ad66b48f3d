"""A folder of pictures and a way to run `of3 run` on it."""

import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from of3.runtime.commands.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]
KILLS, PATIENCE_S = 3, 300
BITS, DARK, BRIGHT = 10, 30, 220  # of numbers that are drawn into the frames of videos
NOT_COMPARED = {"run.json", "run.lock", "openface3.txt", "records.sqlite"}


@pytest.fixture
def aligned(standin_root, tmp_path):
    """Five pictures, two of one stem, and one that is none."""
    folder = tmp_path / "aligned"
    (folder / "sub").mkdir(parents=True)
    for number in range(3):
        shutil.copy(standin_root / "images" / f"face_{number}.png", folder)
    shutil.copy(standin_root / "images" / "face_1.png", folder / "sub" / "face_0.png")
    shutil.copy(standin_root / "images" / "au" / "au_1.png", folder / "sub")
    (folder / "broken.jpg").write_text("no picture")
    return folder


@pytest.fixture
def run(standin_root, aligned, tmp_path):
    """Run with flags; gives the exit status.  Logs are in tmp_path/logs/openface3."""

    def with_flags(*flags, root=standin_root):
        required = ["--aligned", str(aligned), "--logs", str(tmp_path / "logs"), "--of3_root", str(root)]
        return main(["run", *required, *flags])

    return with_flags


@pytest.fixture
def out(tmp_path):
    return tmp_path / "logs" / "openface3"


@pytest.fixture(scope="session")
def files():
    return all_files


def all_files(folder):
    """Everything a run wrote, but for what says when and how it went, and how it was shared out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in NOT_COMPARED and path.relative_to(folder).parts[0] != "plan"
    }


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """300 small pictures, every tenth of them none."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(300):
        path = folder / f"sub{number % 3}" / f"{number:03d}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        path.write_bytes(b"none" if number % 10 == 0 else cv2.imencode(".png", pixels)[1].tobytes())
    return folder


@pytest.fixture(scope="session")
def more(many, tmp_path_factory):
    """The same pictures under five times as many names: a run that something can happen to."""
    folder = tmp_path_factory.mktemp("more")
    for path in many.rglob("*.png"):
        for copy in range(5):
            place = folder / path.parent.name / f"{path.stem}_{copy}.png"
            place.parent.mkdir(exist_ok=True)
            os.link(path, place)
    return folder


@pytest.fixture(scope="session")
def at_work():
    return wait_until_at_work


def wait_until_at_work(logs, pictures=20):
    """Until a run has written the files of some pictures."""
    end_s = time.monotonic() + PATIENCE_S
    while sum(1 for _ in (logs / "openface3" / "per_image").rglob("*.tsv")) < pictures:
        assert time.monotonic() < end_s, "it did not come to its work"
        time.sleep(0.005)


def per_image(folder):
    """How many pictures have their own file."""
    return sum(1 for _ in (folder / "per_image").rglob("*.tsv"))


@pytest.fixture
def killed_and_run_again(files):
    """Kill a run three times while it is at work, or what `victims` gives of its process, and run it again."""

    def until_enough(again, out, want, victims=None, environment=None):
        chance, killed = random.Random(0), 0
        total = sum(name.startswith("per_image") for name in want)
        while killed < KILLS:
            process = subprocess.Popen(again, stderr=subprocess.DEVNULL, env=environment)
            for _ in range(KILLS - killed):
                wanted = per_image(out) + chance.randint(50, total // 5)
                while (done := per_image(out)) < wanted:
                    assert process.poll() is None, "it ended before it was killed"
                    time.sleep(0.005)
                assert 0 < done < total, "it was hit at its work"
                os.kill(chance.choice(victims(process)) if victims else process.pid, signal.SIGKILL)
                killed += 1
                if victims is None:
                    break
            assert process.wait(PATIENCE_S) == (0 if victims else -signal.SIGKILL)
        subprocess.run(again, check=True, capture_output=True, env=environment, timeout=PATIENCE_S)
        assert files(out) == want

    return until_enough


@pytest.fixture(scope="session")
def faces(shared_root):
    """Three photographs of a face each."""
    return [str(shared_root / "images" / name) for name in ("0.jpg", "16.jpg", "89.jpg")]


@pytest.fixture(scope="session")
def portrait():
    """A photograph of a face of 254 px with its surroundings."""
    path = REPOSITORY.parent / "shared" / "cases" / "02_big_face" / "single_face.jpg"
    if not path.exists():
        pytest.skip(f"no photograph of a face with its surroundings: no {path}")
    return str(path)


@pytest.fixture(scope="session")
def real_detector(shared_root, permuted_root):
    """A bundle of stand-ins with the published detector."""
    return permuted_root / "weights" / "of3_bundle"


@pytest.fixture(scope="session")
def command():
    return command_line


def command_line(many, root, logs, *flags):
    start = "import sys; from of3.runtime.commands.cli import main; sys.exit(main())"
    required = ["--aligned", str(many), "--logs", str(logs), "--of3_root", str(root)]
    return [sys.executable, "-c", start, "run", *required, "--device", "cpu", "--extra_csv", "on", *flags]


@pytest.fixture(scope="session")
def undisturbed(many, standin_root, tmp_path_factory):
    """What a run of one process writes."""
    logs = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(command_line(many, standin_root, logs), check=True, capture_output=True)
    return all_files(logs / "openface3")


@pytest.fixture(scope="session")
def undisturbed_more(more, standin_root, tmp_path_factory):
    logs = tmp_path_factory.mktemp("undisturbed_more")
    subprocess.run(command_line(more, standin_root, logs), check=True, capture_output=True)
    return all_files(logs / "openface3")


@pytest.fixture(scope="session")
def header_bomb():
    return make_header_bomb


def make_header_bomb(width, height):
    """A small PNG whose header claims width x height."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture(scope="session")
def with_orientation():
    return make_with_orientation


def make_with_orientation(jpeg, value):
    """The JPEG with an EXIF block that holds nothing but the orientation."""
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, value, 0, 0)
    payload = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


@pytest.fixture(scope="session")
def av():
    return pytest.importorskip("av", reason="the extra video is not installed")


@pytest.fixture(scope="session")
def drawn():
    return draw


def draw(number, width=160, height=96):
    """BGR (H,W,3): the number as bars, upright and lowest first from the left, under a red edge."""
    bars = [BRIGHT if number >> bit & 1 else DARK for bit in range(BITS)]
    pixels = np.repeat(np.repeat(np.array(bars, np.uint8), width // BITS)[None, :, None], height, axis=0)
    pixels = np.repeat(pixels, 3, axis=2)
    pixels[: height // 4] = 0, 0, 200
    return pixels


@pytest.fixture(scope="session")
def number_in():
    return read


def read(pixels):
    """The number that `draw` drew."""
    row = pixels[pixels.shape[0] * 2 // 3].mean(axis=1)
    step = len(row) // BITS
    return sum(1 << bit for bit in range(BITS) if row[bit * step + step // 2] > 128)


@pytest.fixture(scope="session")
def write(av):
    """Makes a video file; gives its path as text."""

    def written(
        path,
        frames=60,
        codec="libx264",
        times_ms=None,
        between=3,
        keys=20,
        pixels=draw,
        pix_fmt="yuv420p",
        rate=30,
        **options,
    ):
        """times_ms: None for `rate` frames/s.  between: frames decoded after one that is shown later."""
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(codec, rate=rate, options={"g": str(keys)})
            height, width = pixels(0).shape[:2]
            stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
            stream.codec_context.max_b_frames = between
            tick = 1 / Fraction(rate if times_ms is None else 1000)
            stream.codec_context.time_base = tick
            container.start_encoding()
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(pixels(number), format="bgr24")
                frame.pts, frame.time_base = number if times_ms is None else times_ms[number], tick
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return str(path)

    return written


@pytest.fixture(scope="session")
def turn_in_header():
    return write_display_matrix


def write_display_matrix(path, clockwise_deg, is_mirrored=False):
    """Write the display matrix of a track into an MP4, as telephones do.

    is_mirrored: left and right change places before it is turned.
    """
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise_deg]
    one = 1 << 16
    left = -one if is_mirrored else one
    matrix = [cosine * left, sine * left, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30]
    with Path(path).open("r+b") as file:
        file.seek(file.read().index(b"tkhd") + 4 + 40)
        file.write(struct.pack(">9i", *matrix))


@pytest.fixture(scope="session")
def over_http():
    return as_answer


def as_answer(path):
    """What a server sends of an MPEG transport stream.

    In chunks: FFmpeg takes the end of what is neither of a length nor in chunks for an error.
    """
    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = Path(path).read_bytes()
    return head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


@pytest.fixture(scope="session")
def server():
    return answering


@contextmanager
def answering(*answers):
    """Gives its port.  Each connection gets the next answer and is closed; the others are refused."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            for answer in answers:
                with suppress(OSError):
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(answer)
            listening.close()

        port = listening.getsockname()[1]
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join()
