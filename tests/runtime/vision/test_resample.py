import numpy as np
import pytest

from of3.runtime.vision.resample import resample

SIZES = [(side, side) for side in (1, 97, 112, 223, 224, 225, 256, 300, 512, 1024)]
SIZES += [(317, 251), (251, 317), (3000, 17), (17, 3000), (20_000, 9), (9, 20_000), (1, 100_000), (100_000, 1)]
BOUND = 1e-3  # of 255 grey levels


def noise(height, width):
    return np.random.default_rng(height * 7919 + width).integers(0, 256, (height, width, 3), np.uint8)


def resampled(pixels):
    out = np.full((3, 224, 224), np.nan, np.float32)
    resample(pixels, out)
    return out


def matrix(length, side):
    """The filter as one dense matrix in float64, written from its definition."""
    scale = length / side
    support = max(scale, 1.0)
    out = np.zeros((side, length))
    for row in range(side):
        centre = scale * (row + 0.5)
        first, last = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), length)
        for column in range(first, last):
            out[row, column] = max(0.0, 1 - abs((column - centre + 0.5) / support))
        out[row] /= out[row].sum()
    return out


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_equals_torch(height, width):
    torch = pytest.importorskip("torch", reason="compared where PyTorch is installed")
    pixels = noise(height, width)
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    want = torch.nn.functional.interpolate(planes, size=(224, 224), mode="bilinear", antialias=True)[0]
    assert np.abs(resampled(pixels) - want.numpy()).max() <= BOUND


@pytest.mark.parametrize(("height", "width"), [(97, 97), (225, 225), (317, 251), (512, 512), (300, 17)])
def test_equals_the_definition(height, width):
    # The definition in float64 is itself 2.5e-3 from torch's float32 taps.
    pixels = noise(height, width)
    want = np.einsum(
        "yh,hwc,xw->cyx", matrix(height, 224), pixels.astype(float), matrix(width, 224), optimize=True
    )
    assert np.abs(resampled(pixels) - want).max() <= 5e-3


def test_the_right_size_is_not_touched():
    pixels = noise(224, 224)
    np.testing.assert_array_equal(resampled(pixels), pixels.transpose(2, 0, 1))


def test_a_constant_stays_constant():
    assert np.abs(resampled(np.full((317, 93, 3), 200, np.uint8)) - 200).max() <= 1e-3


@pytest.mark.parametrize(("height", "width"), [(224, 224), (300, 317), (317, 300)])
def test_planes_may_be_asked_for_in_the_opposite_order(height, width):
    pixels, out = noise(height, width), np.empty((3, 224, 224), np.float32)
    resample(pixels, out[::-1])
    np.testing.assert_array_equal(out, resampled(pixels)[::-1])


def test_a_picture_leaves_nothing_behind_for_the_next():
    """Memory is used again, and what a band reads outside a picture has taps of 0, which NaN would survive."""
    want = resampled(noise(97, 112))
    for height, width in ((512, 512), (17, 3000), (3000, 17), (1, 1)):
        resampled(noise(height, width))
    np.testing.assert_array_equal(resampled(noise(97, 112)), want)


def test_a_part_of_a_picture_is_taken_where_it_lies():
    whole = noise(900, 700)
    part = whole[100:500, 50:650]
    np.testing.assert_array_equal(resampled(part), resampled(part.copy()))


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1_000_000), (1_000_000, 1), (1, 20_000_000), (20_000_000, 1), (60, 300_000)]
)
def test_memory_does_not_depend_on_the_shape(height, width, peak_bytes):
    """What a picture of 1 KB once took: 2.5 GB."""
    pixels = np.zeros((height, width, 3), np.uint8)
    assert peak_bytes(lambda: resampled(pixels)) < 64 << 20
