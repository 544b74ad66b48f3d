"""`of3 setup` on stand-in roots: what is done, what is skipped, and what is said."""

import json
import os
import subprocess
import sys
import venv

import pytest

from of3.engines.registry import PRECISIONS
from of3.export import published
from of3.export.environment import EXTRAS, MARK, Environment, SetupFailed, package_from
from of3.export.setup import main, what_lacks

FILES = ("Alignment_RetinaFace.pth", "MTL_backbone.pth", "Landmark_98.pkl")


@pytest.fixture
def weights(standin_root, tmp_path):
    """Of an OpenFace folder with the stand-ins' weights and no bundle."""
    folder = tmp_path / "of3_root" / "weights"
    folder.mkdir(parents=True)
    (folder.parent / "images").symlink_to(standin_root / "images")
    for path in (standin_root / "weights").iterdir():
        if path.is_file():
            os.link(path, folder / path.name)
    return folder


def test_what_is_done_is_only_tested(standin_root, tmp_path, capfd, caplog):
    caplog.set_level("INFO")
    nowhere = tmp_path / "environment"
    assert main(["--of3_root", str(standin_root), "--environment", str(nowhere)]) == 0
    said = capfd.readouterr()
    assert published.TERMS in said.err
    assert "ready: of3 run" in caplog.text
    assert "cpu, the preferred engine, runs" in said.out
    assert not nowhere.exists()


def test_without_the_licence_nothing_is_made(tmp_path, caplog):
    assert main(["--of3_root", str(tmp_path / "of3_root")]) == 2
    assert "--accept_license" in caplog.text
    assert os.listdir(tmp_path) == []


def test_a_bundle_is_made_anew_where_it_is_not_of_the_weights(weights, bundle_folder, bundle_copy):
    assert what_lacks(bundle_folder, weights, FILES, ("fp32",)) == ""
    assert "is to be made" in what_lacks(weights / "of3_bundle", weights, FILES, ("fp32",))
    assert "without Landmark_68.pkl" in what_lacks(bundle_folder, weights, (*FILES, "Landmark_68.pkl"), ())
    (bundle_copy / "bundle.json").write_text("{}")
    assert "not a bundle of of3" in what_lacks(bundle_copy, weights, FILES, ("fp32",))
    (weights / "MTL_backbone.pth").unlink()  # a link
    assert what_lacks(bundle_folder, weights, FILES, ("fp32",)) == ""
    (weights / "MTL_backbone.pth").write_text("another")
    assert "another MTL_backbone.pth" in what_lacks(bundle_folder, weights, FILES, ("fp32",))


def test_a_bundle_is_made_anew_where_it_lacks_a_precision_that_is_asked_for(weights, bundle_copy):
    assert what_lacks(bundle_copy, weights, FILES, PRECISIONS) == ""
    path = bundle_copy / "bundle.json"
    document = json.loads(path.read_text())
    for card in document["models"].values():
        card["files"].pop("fp16", None), card["substitutes"].clear(), card["drift"].pop("fp16", None)
    path.write_text(json.dumps(document))
    assert what_lacks(bundle_copy, weights, FILES, ("fp32",)) == ""
    assert "was made without fp16, and is made anew" in what_lacks(
        bundle_copy, weights, FILES, ("fp32", "fp16")
    )


def test_an_environment_of_others_is_never_installed_into(weights, tmp_path, caplog):
    theirs = tmp_path / "theirs"
    venv.create(theirs, with_pip=False)
    before = sorted(theirs.rglob("*"))
    assert main(["--of3_root", str(weights.parent), "--environment", str(theirs)]) == 1
    assert f"No module named 'of3': install {EXTRAS} there" in caplog.text
    assert sorted(theirs.rglob("*")) == before
    assert not (weights / "of3_bundle").exists()


def test_a_folder_of_other_things_is_no_environment(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SetupFailed, match="no Python environment"):
        Environment(tmp_path).prepare("of3", [])
    Environment(tmp_path).remove()
    assert os.listdir(tmp_path) == ["thesis.tex"]


@pytest.mark.long
def test_where_pip_finds_nothing_the_remedy_is_said_and_the_environment_waits(weights, caplog):
    assert main(["--of3_root", str(weights.parent), "--pip=--no-index"]) == 1
    assert "--pip=--index-url=URL" in caplog.text
    assert "the same command goes on from there" in caplog.text
    assert (weights.parent / ".of3_setup" / MARK).exists()


VCS = {
    "url": "https://host/of3.git",
    "vcs_info": {"vcs": "git", "commit_id": "abc", "requested_revision": "v1"},
}


@pytest.mark.parametrize(
    ("origin", "package"),
    [
        (None, f"{EXTRAS}==0.2.0"),
        ({"url": "file:///w/of3-0.2.0-py3-none-any.whl", "archive_info": {}}, f"{EXTRAS} @ file:///w/of3-0.2.0-py3-none-any.whl"),
        ({"url": "file:///src/of3", "dir_info": {"editable": True}}, f"{EXTRAS} @ file:///src/of3"),
        (VCS, f"{EXTRAS} @ git+https://host/of3.git@abc"),
    ],
)  # fmt: skip
def test_the_exporter_is_of_where_this_one_came_from(origin, package):
    assert package_from(origin and json.dumps(origin), "0.2.0") == package


@pytest.mark.long
def test_a_bundle_is_made_in_an_environment_that_is_there(weights):
    pytest.importorskip("torch", reason="of3[export] is not installed")
    (weights / "Landmark_98.pkl").unlink()  # what takes most of the time
    flags = ["--landmarks", "none", "--precision", "fp32"]
    given = ["--of3_root", str(weights.parent), "--environment", sys.prefix, *flags]
    assert main(given) == 0
    before = (weights / "of3_bundle" / "bundle.json").stat()
    assert main(given) == 0
    assert (weights / "of3_bundle" / "bundle.json").stat() == before


@pytest.mark.long
def test_a_killed_setup_leaves_what_the_next_goes_on_with(weights):
    code = "import sys; from of3.export.setup import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "--of3_root", str(weights.parent), "--pip=--no-index"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "installing" not in process.stderr.readline():
            pass
        process.terminate()
        assert "the same command goes on" in process.stderr.read()
    assert process.returncode == 143
    assert Environment(weights.parent / ".of3_setup").is_ours
