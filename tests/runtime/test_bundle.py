"""Bundles that read well and do not fit what the tables and the stages need."""

import json
import subprocess
import sys

import pytest

from of3.engines.bundle import BundleError
from of3.engines.manifest import MANIFEST, read_bundle
from of3.runtime.bundle import open_bundle

AUS = [1, 2, 4, 6, 9, 12, 25, 26]


def outputs(model, *shapes):
    return {f"models {model} outputs {index} shape": shape for index, shape in enumerate(shapes)}


UNFIT = {
    "twelve units": {
        "labels aus": [*AUS, 5, 7, 10, 14], **outputs("multitask", ["batch", 8], ["batch", 2], ["batch", 12])
    },
    "seven units": {"labels aus": AUS[:7], **outputs("multitask", ["batch", 8], ["batch", 2], ["batch", 7])},
    "another unit": {"labels aus": [*AUS[:7], 45]},
    "an output less than units": outputs("multitask", ["batch", 8], ["batch", 2], ["batch", 7]),
    "a matrix of units": outputs("multitask", ["batch", 8], ["batch", 2], ["batch", 8, 1]),
    "no emotion": {"labels emotions": []},
    "a label more than logits": {"labels emotions": list("abcdefghi")},
    "one gaze": {"labels gaze": ["yaw"], **outputs("multitask", ["batch", 8], ["batch", 1])},
    "a roll": {"labels gaze": ["yaw", "roll"]},
    "half measured": {"labels gaze_measured": ["yaw"]},
    "three scores": outputs("detector", ["batch", "priors", 4], ["batch", "priors", 3]),
    "fixed priors": outputs("detector", ["batch", 100, 4]),
    "four points": outputs("landmarks", ["batch", 4, 2]),
    "points in space": outputs("landmarks", ["batch", 98, 3]),
    "free points": outputs("landmarks", ["batch", "points", 2]),
    "small faces": {"models multitask input shape": ["batch", 3, 112, 112]},
    "free faces": {"models multitask input shape": ["batch", 3, "height", "width"]},
    "a fixed picture": {"models detector input shape": ["batch", 3, 640, 640]},
}  # fmt: skip


@pytest.fixture(params=list(UNFIT.values()), ids=list(UNFIT))
def unfit(request, bundle_copy):
    document = json.loads((bundle_copy / MANIFEST).read_text())
    for place, value in request.param.items():
        *way, last = (int(word) if word.isdigit() else word for word in place.split())
        at = document
        for name in way:
            at = at[name]
        at[last] = value
    (bundle_copy / MANIFEST).write_text(json.dumps(document))
    return bundle_copy


def test_it_is_refused_in_one_line_that_names_the_field(unfit):
    read_bundle(unfit)  # well-formed
    with pytest.raises(
        BundleError, match=r"(labels|models): .*: got .*, want .*: run `of3 export --force`"
    ) as raised:
        open_bundle(unfit)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("name", ["emotion_logits", "gaze_rad", "au", "loc", "conf", "landms"])
def test_an_output_of_another_name_is_missed_by_name(bundle_copy, name):
    manifest = bundle_copy / MANIFEST
    manifest.write_text(manifest.read_text().replace(f'"{name}"', '"other"'))
    with pytest.raises(BundleError, match=f"outputs: got .*other.*, want {name} among them"):
        open_bundle(bundle_copy)


def test_an_exported_bundle_fits(bundle_folder, permuted_root):
    open_bundle(bundle_folder)
    open_bundle(permuted_root / "weights" / "of3_bundle")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("labels", "aus"), [10**300, *AUS[1:]]),
        (("labels", "aus"), [*AUS, 5, 7, 10, 14]),
        (("labels", "emotions"), ["\ud800", *"abcdefg"]),
        (("models", "multitask", "input", "std"), [0, 1, 1]),
        (("models", "detector", "input", "shape"), ["batch", 3, 640, 640]),
    ],
)
def test_a_run_with_such_a_bundle_ends_at_once_with_status_2_and_says_which_field(
    bundle_copy, standin_root, tmp_path, place, value
):
    document = json.loads((bundle_copy / MANIFEST).read_text())
    at = document
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = value
    (bundle_copy / MANIFEST).write_text(json.dumps(document))
    start = "import sys; from of3.runtime.commands.cli import main; sys.exit(main())"
    flags = ["--aligned", standin_root / "images", "--logs", tmp_path / "logs", "--of3_root", standin_root]
    command = [sys.executable, "-c", start, "run", *flags, "--bundle", bundle_copy]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert place[-1] in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 2  # the error, and the exact command that makes a bundle
    assert not list((tmp_path / "logs").rglob("*.csv"))
