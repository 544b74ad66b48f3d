"""A folder of pictures and a way to run `of3 run` on it."""

import shutil

import pytest

from of3.runtime.cli import main


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
