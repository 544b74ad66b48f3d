"""What is a cut, on drawn scenes."""

from functools import cache

import cv2
import numpy as np
import pytest

from of3.runtime.tracks.cuts import is_cut, thumbnail

WIDTH, HEIGHT, SCENES = 640, 360, 20


@cache
def room(seed):
    """A scene twice as large as the view of it."""
    chance = np.random.default_rng(seed)
    pixels = np.full((2 * HEIGHT, 2 * WIDTH, 3), chance.uniform(20, 200, 3), np.float32)
    pixels += np.linspace(-1, 1, 2 * WIDTH)[None, :, None] * chance.uniform(-40, 40)
    for _ in range(chance.integers(4, 25)):
        x, y = chance.integers(0, (2 * WIDTH, 2 * HEIGHT)).tolist()
        width, height = chance.integers(20, 300, 2).tolist()
        cv2.rectangle(pixels, (x, y), (x + width, y + height), chance.uniform(10, 245, 3).tolist(), -1)
    return pixels


def view(scene, face_x=200, side=120, x=0, zoom=1.0, light=1.0, flash=0.0, noise=3, seed=0):
    top, left = HEIGHT // 2, WIDTH // 2 + x
    part = scene[top : top + int(HEIGHT * zoom), left : left + int(WIDTH * zoom)]
    pixels = cv2.resize(part, (WIDTH, HEIGHT)).copy()
    cv2.ellipse(pixels, (face_x, 180), (side // 2, side * 6 // 10), 0, 0, 360, (140, 170, 210), -1)
    pixels = pixels * light + flash + np.random.default_rng(seed).normal(0, noise, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def share_of_cuts(pairs):
    return np.mean([is_cut(thumbnail(later), thumbnail(earlier)) for earlier, later in pairs])


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({}, {"noise": 8, "seed": 1}),
        ({}, {"face_x": 420}),
        ({}, {"x": 40}),
        ({}, {"zoom": 0.9}),
        ({}, {"flash": 60}),
        ({}, {"light": 0.5}),
        ({"light": 0.1}, {"light": 0.1, "seed": 1}),
        ({"side": 260, "face_x": 250}, {"side": 260, "face_x": 310}),
    ],
)
def test_what_moves_or_is_lit_within_a_scene_is_no_cut(earlier, later):
    scenes = map(room, range(SCENES))
    assert share_of_cuts((view(scene, **earlier), view(scene, **later)) for scene in scenes) <= 0.05


@pytest.mark.parametrize(
    ("earlier", "later"),
    [({}, {"face_x": 400}), ({}, {}), ({"light": 0.4}, {"light": 0.4}), ({}, {"side": 280, "face_x": 350})],
)
def test_another_scene_is_a_cut(earlier, later):
    scenes = ((room(seed), room(1000 + seed)) for seed in range(SCENES))
    assert share_of_cuts((view(one, **earlier), view(other, **later)) for one, other in scenes) >= 0.8


@pytest.mark.parametrize("shape", [(18, 32), (5, 7), (1080, 1920), (1920, 1080), (1, 1)])
def test_a_thumbnail_is_of_any_picture(shape):
    assert thumbnail(np.full((*shape, 3), 90, np.uint8)).shape == (18, 32)
    np.testing.assert_allclose(thumbnail(np.full((*shape, 3), 90, np.uint8)), 90)


def test_black_frames_are_one_scene():
    black = thumbnail(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert not is_cut(black, black)
