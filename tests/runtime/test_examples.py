"""The programs in examples/ do what they say, each as a user starts it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PATIENCE_S = 60


def done(name, *words):
    command = [sys.executable, EXAMPLES / name, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def started(name, *words):
    """Lines of an example."""
    run = done(name, *words)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def refused(name, *words, status=1):
    """The last line of what an example says of words that it cannot do anything with."""
    run = done(name, *words)
    assert (run.returncode, run.stdout) == (status, "")
    assert "Traceback" not in run.stderr
    return run.stderr.splitlines()[-1]


def needs(name):
    """Libraries that are an extra of an example."""
    for library in {"service.py": ["fastapi", "uvicorn"], "video.py": ["av"], "ray_actor.py": ["ray"]}.get(
        name, ()
    ):
        pytest.importorskip(library, reason="an extra")


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
    needs("ray_actor.py")
    lines = started("ray_actor.py", bundle_folder, standin_root / "images")
    assert len(lines) == 11 and all("\tAU12 0." in line for line in lines)


@pytest.mark.parametrize("name", ["arrays.py", "folder.py", "service.py", "video.py", "ray_actor.py"])
def test_without_words_each_says_which_it_wants(name):
    needs(name)
    said = refused(name, status=2)
    assert said.startswith(f"{name}: error: the following arguments are required: bundle")


@pytest.mark.parametrize(
    ("name", "words"),
    [("arrays.py", ["face_1.png"]), ("folder.py", ["."]), ("service.py", []), ("video.py", ["a.mp4"])],
)
def test_a_bundle_that_is_none_is_named(name, words, standin_root, tmp_path):
    needs(name)
    said = refused(name, tmp_path, *(standin_root / "images" / word for word in words))
    assert said == f"{tmp_path}/bundle.json: No such file or directory: run `of3 export`"


def test_an_input_that_is_none_is_named(bundle_folder, tmp_path):
    needs("video.py")
    none = tmp_path / "none"
    assert refused("arrays.py", bundle_folder, none) == f"{none}: no picture that OpenCV reads"
    assert refused("video.py", bundle_folder, none) == f"{none}: unreadable: No such file or directory"
    for folder in (none, tmp_path):
        said = refused("folder.py", bundle_folder, folder)
        assert said == f"{folder}: no picture in it, want any of .bmp .jpeg .jpg .png .webp"


@pytest.mark.parametrize("name", ["folder.py", "video.py"])
def test_who_reads_no_further_ends_it_in_silence(name, bundle_folder, standin_root, write, tmp_path):
    words = [standin_root / "images"] if name == "folder.py" else [write(tmp_path / "a.mp4", frames=30)]
    command = list(map(str, [sys.executable, EXAMPLES / name, bundle_folder, *words]))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


@pytest.mark.parametrize("word", ["0", "-1", "x"])
def test_a_limit_that_would_be_none_is_refused(bundle_folder, word):
    needs("service.py")
    said = refused("service.py", bundle_folder, f"--waiting={word}", status=2)
    assert said == f"service.py: error: argument --waiting: got {word}, want a whole number from 1 on"
