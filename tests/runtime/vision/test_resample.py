import numpy as np
import pytest

from of3.runtime.vision.resample import bands, resample

SIZES = [(side, side) for side in (1, 97, 112, 223, 224, 225, 256, 300, 512, 1024)]
SIZES += [(317, 251), (251, 317), (3000, 17), (17, 3000), (20_000, 9), (9, 20_000), (1, 100_000), (100_000, 1)]
BOUND = 1e-3  # of 255 grey levels


def noise(height, width):
    return np.random.default_rng(height * 7919 + width).integers(0, 256, (height, width, 3), np.uint8)


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
    assert np.abs(resample(pixels, 224) - want.numpy()).max() <= BOUND


@pytest.mark.parametrize(("height", "width"), [(97, 97), (225, 225), (317, 251), (512, 512), (300, 17)])
def test_equals_the_definition(height, width):
    # The definition in float64 is itself 2.5e-3 from torch's float32 taps.
    pixels = noise(height, width)
    want = np.einsum(
        "yh,hwc,xw->cyx", matrix(height, 224), pixels.astype(float), matrix(width, 224), optimize=True
    )
    assert np.abs(resample(pixels, 224) - want).max() <= 5e-3


def test_the_right_size_is_not_touched():
    pixels = noise(224, 224)
    np.testing.assert_array_equal(resample(pixels, 224), pixels.transpose(2, 0, 1))


def test_a_constant_stays_constant():
    assert np.abs(resample(np.full((317, 93, 3), 200, np.uint8), 224) - 200).max() <= 1e-3


@pytest.mark.parametrize("length", [1, 2, 223, 225, 1000])
def test_bands_cover_every_output_pixel_once(length):
    rows = [row for band in bands(length, 224) for row in range(band.first, band.first + len(band.taps))]
    assert rows == list(range(224))
    for band in bands(length, 224):
        assert 0 <= band.lo < band.hi <= length
        np.testing.assert_allclose(band.taps.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1_000_000), (1_000_000, 1), (1, 20_000_000), (20_000_000, 1), (60, 300_000)]
)
def test_memory_does_not_depend_on_the_shape(height, width, peak_bytes):
    """What a picture of 1 KB once took: 2.5 GB."""
    pixels = np.zeros((height, width, 3), np.uint8)
    assert peak_bytes(lambda: resample(pixels, 224)) < 64 << 20
