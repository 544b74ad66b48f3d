"""Videos that are made here, whose frames carry their numbers."""

from fractions import Fraction

import numpy as np
import pytest

BITS, DARK, BRIGHT = 10, 30, 220


@pytest.fixture(scope="session")
def av():
    return pytest.importorskip("av", reason="the extra video is not installed")


@pytest.fixture(scope="session")
def drawn():
    return draw


def draw(number, width=160, height=96):
    """BGR (H,W,3): the number as bars, upright and lowest first from the left, under a red edge."""
    bars = [BRIGHT if number >> bit & 1 else DARK for bit in range(BITS)]
    pixels = np.repeat(np.repeat(np.array(bars, np.uint8), width // BITS)[None, :, None], height, axis=0)
    pixels = np.repeat(pixels, 3, axis=2)
    pixels[: height // 4] = 0, 0, 200
    return pixels


@pytest.fixture(scope="session")
def number_in():
    return read


def read(pixels):
    """The number that `draw` drew."""
    row = pixels[pixels.shape[0] * 2 // 3].mean(axis=1)
    step = len(row) // BITS
    return sum(1 << bit for bit in range(BITS) if row[bit * step + step // 2] > 128)


@pytest.fixture(scope="session")
def write(av):
    """Makes a video file; gives its path as text."""

    def written(
        path,
        frames=60,
        codec="libx264",
        times_ms=None,
        between=3,
        keys=20,
        pixels=draw,
        pix_fmt="yuv420p",
        **options,
    ):
        """times_ms: None for 30 frames/s.  between: frames that are decoded after one that is shown later."""
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(codec, rate=30, options={"g": str(keys)})
            height, width = pixels(0).shape[:2]
            stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
            stream.codec_context.max_b_frames = between
            tick = Fraction(1, 30 if times_ms is None else 1000)
            stream.codec_context.time_base = tick
            container.start_encoding()
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(pixels(number), format="bgr24")
                frame.pts, frame.time_base = number if times_ms is None else times_ms[number], tick
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return str(path)

    return written
