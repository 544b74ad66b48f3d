import numpy as np
import pytest
import torch

from of3.engines.manifest import read_bundle
from of3.export.checkpoints import read_mark
from of3.export.models import LABELS, models_in, multitask
from of3.export.pictures import draw_face, noise_and_flat, pictures_for, read_pictures
from of3.export.standin import make_detector, reference_picture, write_root
from of3.export.verify import to_input


@pytest.mark.long
def test_the_same_seed_gives_the_same_weights():
    states = []
    for _ in range(2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(11)
            states.append(make_detector().state_dict())
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key])


def test_the_detector_is_written_with_prefixed_keys_as_the_published_file_may_be(standin_root):
    state = torch.load(standin_root / "weights/Alignment_RetinaFace.pth", weights_only=True)
    assert all(key.startswith("module.") for key in state)


def test_heads_have_plausible_ranges(standin_root):
    network = multitask(read_mark(standin_root / "weights").width).make().eval()
    network.load_state_dict(torch.load(standin_root / "weights/MTL_backbone.pth", weights_only=True))
    faces = torch.stack([to_input(multitask(), draw_face(seed), (224, 224)) for seed in range(300, 312)])
    with torch.inference_mode():
        logits, gaze, au = network(faces)
    assert 0.4 < float(logits.std()) < 2.5
    assert 0.1 < float(gaze.std()) < 0.6
    assert 0 <= float(au.min()) <= float(au.max()) <= 1 + 1e-6


def test_reference_pictures_differ():
    pictures = [reference_picture(au).astype(float) for au in LABELS.aus]
    assert min(np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]) > 10


def test_a_root_without_landmarks_makes_a_bundle_without(permuted_root):
    assert [model.name for model in models_in(permuted_root / "weights", None)] == ["detector", "multitask"]
    assert "landmarks" not in read_bundle(permuted_root / "weights/of3_bundle").models


@pytest.mark.parametrize(
    ("there", "asked", "file"),
    [
        ((98, 68), None, "Landmark_98.pkl"),
        ((68,), None, "Landmark_68.pkl"),
        ((98, 68), 68, "Landmark_68.pkl"),
        ((98,), 68, "Landmark_68.pkl"),  # asked for and missing: load_all will say so
    ],
)
def test_which_landmark_file_is_exported(tmp_path, there, asked, file):
    for points in there:
        (tmp_path / f"Landmark_{points}.pkl").touch()
    assert models_in(tmp_path, asked)[-1].file == file


def test_pictures_are_made_up_with_drawn_ones(tmp_path, standin_root):
    assert len(pictures_for(tmp_path, 8, 16)) == 8
    assert len(pictures_for(standin_root, 8, 16)) == 11
    assert len(read_pictures(standin_root / "images", 5)) == 5


def test_an_unreadable_picture_is_passed_over(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("x")
    assert read_pictures(tmp_path, 9) == []


def test_noise_and_flat_pictures_are_there():
    flat, noise = noise_and_flat(2, 0, 16)
    assert flat.std(axis=(0, 1)).max() == 0
    assert noise.std() > 50


@pytest.mark.long
def test_writing_a_root_leaves_torchs_random_state_alone(tmp_path):
    torch.manual_seed(3)
    want = torch.rand(1)
    torch.manual_seed(3)
    write_root(tmp_path, points=(), width=0.125)
    assert torch.equal(torch.rand(1), want)
