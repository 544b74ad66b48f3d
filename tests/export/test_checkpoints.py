import hashlib
import json
import os
import pickle
import resource
import shutil
import time
import zipfile

import pytest
import torch

from of3.export.checkpoints import (
    STAND_IN_MARK,
    BadWeights,
    Unreadable,
    load_all,
    read_mark,
    read_state,
    source_file,
)
from of3.export.networks.retinaface import RetinaFace
from of3.export.networks.star import Star
from of3.export.published import PUBLISHED


class Payload:
    """Unpickled carelessly, it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def state():
    return RetinaFace().state_dict()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "Alignment_RetinaFace.pth"


def problems(path):
    with pytest.raises(BadWeights) as raised:
        load_all({path: RetinaFace()})
    return "\n".join(raised.value.problems)


def test_a_named_pipe_in_a_weight_files_place_is_refused_and_not_waited_for(path):
    os.mkfifo(path)
    assert "not a regular file: move it away" in problems(path)


def test_a_named_pipe_in_the_marks_place_is_no_mark(tmp_path):
    os.mkfifo(tmp_path / STAND_IN_MARK)
    assert read_mark(tmp_path).digests == frozenset()


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapper", [None, "state_dict"])
def test_published_formats_load_strictly(path, state, prefix, wrapper):
    named = {prefix + key: value for key, value in state.items()}
    torch.save({wrapper: named} if wrapper else named, path)
    network = RetinaFace()
    load_all({path: network})
    for key, value in network.state_dict().items():
        assert torch.equal(value, state[key])


def test_landmark_files_hold_their_state_under_net(tmp_path):
    network = Star(68)
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [200, 350])
    saved = {"net": network.state_dict(), "optimizer": optimiser.state_dict(), "epoch": 3}
    saved |= {"scheduler": schedule.state_dict(), "net_ema": {"other": torch.zeros(1)}}
    torch.save(saved, tmp_path / "Landmark_68.pkl")
    assert read_state(tmp_path / "Landmark_68.pkl").keys() == network.state_dict().keys()


def test_the_old_file_format_loads(path, state):
    torch.save(state, path, _use_new_zipfile_serialization=False)
    load_all({path: RetinaFace()})


def test_a_missing_file_is_said(path):
    assert "No such file" in problems(path)


def test_an_empty_file_is_said(path):
    path.touch()
    assert "the file is empty" in problems(path)


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html><html>", b"\n  <html><body>", b"\xef\xbb\xbf<!doctype H>", b"<!-- saved from -->"]
)
def test_a_saved_web_page_is_said(path, page):
    path.write_bytes(page)
    assert "an HTML page was saved in its place" in problems(path)


def test_a_git_lfs_pointer_is_said(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1789735\n")
    assert "a Git LFS pointer is in its place" in problems(path)


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("eighth", range(1, 8))
def test_a_cut_file_is_said(path, state, is_zip, eighth):
    torch.save(state, path, _use_new_zipfile_serialization=is_zip)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * eighth // 8])
    assert "truncated" in problems(path)


def test_a_flipped_bit_in_a_tensor_is_said(path, state):
    torch.save(state, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "damaged" in problems(path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_that_wants_to_run_code_is_refused_and_not_run(path, state, tmp_path, is_zip):
    state["extra"] = Payload(tmp_path / "pwned")
    torch.save(state, path, _use_new_zipfile_serialization=is_zip)
    said = problems(path)
    assert "the pickle wants to run code" in said
    assert "mkdir" in said
    assert not (tmp_path / "pwned").exists()


def test_a_bare_pickle_that_wants_to_run_code_is_refused(path, tmp_path):
    path.write_bytes(pickle.dumps(Payload(tmp_path / "pwned")))
    assert "the pickle wants to run code" in problems(path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", [b"hello world", b"\x80\x02}q\x00.", bytes(range(256))])
def test_another_file_is_no_checkpoint(path, content):
    path.write_bytes(content)
    problems(path)


def test_something_else_than_tensors_is_said(path):
    torch.save({"epoch": 3}, path)
    assert "no tensor under epoch" in problems(path)
    torch.save([1, 2], path)
    assert "got list, want a state dict" in problems(path)


def test_every_mismatch_is_listed_at_once(path, state):
    del state["fpn.output1.0.weight"]
    state["fpn.extra"] = torch.zeros(3)
    state["ssh1.conv3X3.0.weight"] = torch.zeros(1, 2)
    state["BboxHead.0.conv1x1.bias"] = torch.full((8,), torch.nan)
    state["BboxHead.1.conv1x1.bias"] = torch.zeros(8, dtype=torch.int64)
    torch.save(state, path)
    said = problems(path)
    assert "missing keys: fpn.output1.0.weight" in said
    assert "unknown keys: fpn.extra" in said
    assert "wrong shapes: ssh1.conv3X3.0.weight got (1, 2) want (32, 64, 3, 3)" in said
    assert "not finite or beyond 1e+10: BboxHead.0.conv1x1.bias" in said
    assert "wrong types: BboxHead.1.conv1x1.bias got torch.int64 want torch.float32" in said


KEY = "BboxHead.0.conv1x1.bias"
UNLIKE = {
    "sparse_coo": lambda: torch.zeros(8).to_sparse(),
    "sparse_coo of 10^12": lambda: torch.sparse_coo_tensor(torch.zeros(1, 1).long(), torch.ones(1), (10**12,)),
    "qint8": lambda: torch.quantize_per_tensor(torch.zeros(8), 0.1, 0, torch.qint8),
    "float8_e4m3fn": lambda: torch.zeros(8).to(torch.float8_e4m3fn),
    "float8_e5m2": lambda: torch.zeros(8).to(torch.float8_e5m2),
    "int32": lambda: torch.zeros(8, dtype=torch.int32),
    "uint16": lambda: torch.zeros(8, dtype=torch.uint16),
    "bool": lambda: torch.zeros(8, dtype=torch.bool),
    "complex64": lambda: torch.zeros(8, dtype=torch.complex64),
    "on meta": lambda: torch.zeros(8, device="meta"),
    "1000000000000 numbers made of fewer": lambda: torch.zeros(1).expand(10**12),
    "1000000 numbers made of fewer": lambda: torch.zeros(1999).as_strided((1000, 1000), (1, 1)),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # of kinds that are beta, or on their way out
@pytest.mark.parametrize("kind", UNLIKE)
def test_a_tensor_of_another_kind_is_said_by_key_and_not_looked_at(path, state, kind):
    torch.save(state | {KEY: UNLIKE[kind]()}, path)
    before_s, before_kb = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = problems(path)
    assert f"got {KEY} ({kind.split(' of 10')[0]})" in said
    assert time.monotonic() - before_s < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 200_000


@pytest.mark.parametrize("kind", ["float64", "float16", "bfloat16"])
def test_other_widths_of_floats_are_taken(path, state, kind):
    torch.save(state | {KEY: state[KEY].to(getattr(torch, kind))}, path)
    load_all({path: RetinaFace()})


@pytest.mark.parametrize("value", [3e38, -3e38, float("nan"), float("inf"), 1e300])
def test_a_weight_that_cannot_be_is_said_by_key(path, state, value):
    torch.save(state | {KEY: torch.full((8,), value, dtype=torch.float64)}, path)
    assert f"not finite or beyond 1e+10: {KEY}" in problems(path)


def test_a_negative_variance_is_said_by_key(path, state):
    key = next(key for key in state if key.endswith("running_var"))
    torch.save(state | {key: -state[key]}, path)
    assert f"negative variances: {key}" in problems(path)


def test_a_key_that_stands_twice_is_said(path, state):
    torch.save({**state, f"module.{KEY}": state[KEY]}, path)
    assert f"with and without `module.`: {KEY}" in problems(path)


def test_an_archive_that_unpacks_to_more_than_it_has_is_not_unpacked(path, state):
    torch.save(state, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(50_000_000))
    assert "more than it has" in problems(path)


def test_problems_of_all_files_come_in_one_error(tmp_path):
    (tmp_path / "a.pth").write_text("<html>")
    with pytest.raises(BadWeights) as raised:
        load_all({tmp_path / "a.pth": RetinaFace(), tmp_path / "b.pth": RetinaFace()})
    assert len(raised.value.problems) == 2


def test_digests_tell_published_stand_in_and_unknown_apart(standin_root, tmp_path, path, state):
    assert source_file(standin_root / "weights" / "MTL_backbone.pth").status == "stand-in"
    shutil.copy(standin_root / "weights" / "MTL_backbone.pth", tmp_path)
    assert source_file(tmp_path / "MTL_backbone.pth").status == "unknown"
    torch.save(state, path)
    assert source_file(path).status == "unknown"


def test_stand_ins_made_before_widths_were_noted_are_stand_ins(tmp_path, path, state):
    torch.save(state, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / "standin.json").write_text(json.dumps({path.name: digest}))
    assert source_file(path).status == "stand-in"
    assert read_mark(path.parent).width == 1


def test_the_real_detector_is_published_weights(shared_root):
    found = source_file(shared_root / "weights" / "Alignment_RetinaFace.pth")
    assert found.status == "published"
    assert found.sha256 == PUBLISHED["Alignment_RetinaFace.pth"].sha256


def test_reading_raises_for_one_file(tmp_path):
    with pytest.raises(Unreadable):
        read_state(tmp_path / "none.pth")
