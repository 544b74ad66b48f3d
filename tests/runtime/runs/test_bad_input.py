"""Every kind of bad picture and odd name that could be thought of, through the whole run."""

import csv
import os
import resource
import subprocess
import sys
import time
from collections import Counter

import cv2
import numpy as np
import pytest
import simplejpeg

DONE = "done"
NAMES = [
    *("a b", 'quo"te', "apo'strophe", "new\nline", "tab\tbed", "car\rriage", "com,ma", "semi;colon"),
    *("ünïcödé", "絵", "=1+1", "+1", "-1", "@sum", "NA", "null", "%s", "back\\slash", "back\\nslash"),
    *("$(touch x)", "dots.in.it", "..x", " leading", "trailing ", "\udcff\udcfe", "x" * 251),
]  # fmt: skip


def face(height=224, width=224, channels=3):
    noise = np.random.default_rng(height + width).integers(0, 256, (height, width, channels), np.uint8)
    return cv2.GaussianBlur(noise, (9, 9), 3)


def encoded(suffix, pixels, *flags):
    return cv2.imencode(suffix, pixels, list(flags))[1].tobytes()


class Corpus:
    """Files in a folder, and what must become of each: "done", or how its reason begins."""

    def __init__(self, folder):
        self.folder = folder
        self.expected = {}

    def add(self, name, content, outcome=DONE):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)
        self.expected[str(path)] = outcome
        return path


def contents(corpus, header_bomb, with_orientation):
    """Bytes of every kind."""
    for suffix in (".jpg", ".png", ".webp", ".bmp"):
        content = encoded(suffix, face())
        corpus.add(f"whole{suffix}", content)
        for eighth in range(1, 8):
            outcome = DONE if suffix == ".jpg" else "truncated: "  # a JPEG is told as damaged
            corpus.add(f"cut{eighth}{suffix}", content[: len(content) * eighth // 8], outcome)
        corpus.add(f"as_jpeg{suffix}.jpeg", content)
        corpus.add(f"upper{suffix.upper()}", content)
    corpus.add("empty.png", b"", "empty file")
    corpus.add("text.jpg", b"no picture", "unreadable: not a JPEG")
    corpus.add("rubbish.jpg", b"\xff\xd8" + bytes(range(256)) * 4 + b"\xff\xd9", "unreadable: ")
    corpus.add("16bit.png", encoded(".png", face().astype(np.uint16) * 257))
    corpus.add("grey.jpg", encoded(".jpg", face(channels=1)))
    corpus.add("grey.png", encoded(".png", face(channels=1)))
    corpus.add("rgba.png", encoded(".png", face(channels=4)))
    corpus.add("progressive.jpg", encoded(".jpg", face(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    corpus.add("cmyk.jpg", simplejpeg.encode_jpeg(face(channels=4), colorspace="CMYK"))
    for turn in (1, 6, 8):
        corpus.add(f"turned{turn}.jpg", with_orientation(encoded(".jpg", face(100, 200)), turn))
    corpus.add("trailing.jpg", encoded(".jpg", face()) + b"more" * 10)
    corpus.add("1x1.png", encoded(".png", face(1, 1)))
    corpus.add("1x5000.png", encoded(".png", face(1, 5000)))
    corpus.add("5000x1.bmp", encoded(".bmp", face(5000, 1)))
    corpus.add("bomb.png", header_bomb(20000, 20000), "too large: ")
    corpus.add("bomb_as.jpg", header_bomb(1, 1 << 30), "")


def animation():
    made = cv2.Animation()
    made.frames = [face(), 255 - face()]
    made.durations = [100, 100]
    return cv2.imencodeanimation(".webp", made)[1].tobytes()


def files_of_other_kinds(corpus):
    folder = corpus.folder
    (folder / "folder.jpg").mkdir()
    corpus.add("folder.jpg/inside.png", encoded(".png", face()))
    os.mkfifo(corpus.add("pipe.jpg", None, "unreadable: not a regular file"))
    corpus.add("dangling.jpg", None, "unreadable: No such file").symlink_to(folder / "nowhere")
    corpus.add("to_device.png", None, "unreadable: not a regular file").symlink_to("/dev/zero")
    outside = folder.parent / "outside.png"
    outside.write_bytes(encoded(".png", face()))
    corpus.add("out_of_the_tree.png", None).symlink_to(outside)
    corpus.add("loop.png", None, "unreadable: ").symlink_to(folder / "loop.png")
    (folder / "loop").symlink_to(folder)
    (folder / "not_searched").symlink_to(folder.parent / "elsewhere")
    with corpus.add("giant.bmp", None, "too large: ").open("wb") as file:
        file.truncate(2 << 30)
    if os.geteuid() != 0:
        corpus.add("forbidden.png", encoded(".png", face()), "unreadable: Permission denied").chmod(0)


@pytest.fixture
def corpus(tmp_path, header_bomb, with_orientation):
    made = Corpus(tmp_path / "corpus")
    contents(made, header_bomb, with_orientation)
    if hasattr(cv2, "imencodeanimation"):
        made.add("animated.webp", animation())
    files_of_other_kinds(made)
    for number, name in enumerate(NAMES):
        made.add(f"names/{name}.png", encoded(".png", face()))
        made.add(f"bad/{name[:240]}{number}.jpg", b"none", "unreadable: ")
    return made


def rows_of(path, delimiter=","):
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_each_gives_its_row_or_its_reason_and_no_neighbour_suffers(corpus, standin_root, tmp_path):
    start = "import sys; from of3.runtime.commands.cli import main; sys.exit(main())"
    flags = ["--aligned", str(corpus.folder), "--logs", str(tmp_path / "logs"), "--of3_root", str(standin_root)]
    command = [sys.executable, "-c", start, "run", *flags, "--device", "cpu", "--help", "off"]
    begun = time.monotonic()
    limited = lambda: resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))  # noqa: E731
    done = subprocess.run(command, preexec_fn=limited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - begun < 120
    out = tmp_path / "logs" / "openface3"
    rows = rows_of(out / "openface3.csv")
    assert [row["path"] for row in rows] == sorted(corpus.expected, key=lambda path: path.split(os.sep))
    reasons = {row["path"]: row["reason"] for row in rows_of(out / "errors.tsv", "\t")}
    for row in rows:
        want = corpus.expected[row["path"]]
        if want == DONE:
            assert row["success"] == "1", reasons.get(row["path"])
            assert row["emotion"]
        else:
            assert row["success"] == "0", row
            assert reasons[row["path"]].startswith(want), (row["path"], reasons[row["path"]])
    succeeded = Counter(row["success"] for row in rows)["1"]
    assert len(list((out / "per_image").rglob("*.tsv"))) == succeeded
    assert {path.name for path in out.iterdir()} == {
        *("au_info.json", "errors.tsv", "openface3.csv", "per_image", "records.sqlite", "run.json", "run.lock")
    }
    read_with_pandas(out / "openface3.csv", rows)


def read_with_pandas(path, rows):
    pandas = pytest.importorskip("pandas", reason="compared where pandas is installed")
    table = pandas.read_csv(path, keep_default_na=False, encoding_errors="surrogateescape", dtype=object)
    assert table["path"].tolist() == [row["path"] for row in rows]
    assert table["file"].tolist() == [row["file"] for row in rows]


def test_the_same_pixels_in_any_container_give_the_same_row(corpus, run, out, aligned):
    for name in ("whole.png", "whole.bmp", "as_jpeg.png.jpeg", "rgba.png"):
        (aligned / name).write_bytes((corpus.folder / name).read_bytes())
    run()
    found = {row["file"]: list(row.values())[2:] for row in rows_of(out / "openface3.csv")}
    assert found["whole.png"] == found["whole.bmp"] == found["as_jpeg.png.jpeg"]
