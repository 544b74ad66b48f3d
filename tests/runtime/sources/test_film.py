"""Pictures made an MP4: their times, their colours, and the source's sound."""

from fractions import Fraction

import numpy as np
import pytest

from of3.runtime.sources.film import Film
from of3.runtime.sources.sound import Sound
from of3.runtime.sources.video import Video

COLOURS = ((40, 60, 200), (200, 80, 60), (90, 190, 70))


def halves(number, width=160, height=96):
    """A colour at the left, another at the right."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = COLOURS[number % 3], COLOURS[(number + 1) % 3]
    return pixels


@pytest.fixture
def refilm(av, tmp_path):
    """A video through `Video` and `Film`; gives the film's path and what it left out."""

    def made(path):
        target = tmp_path / "film.mp4"
        with target.open("wb+") as file, Video(str(path)) as video, Sound(str(path)) as sound:
            with Film(file, video, sound) as film:
                for frame in video.frames():
                    film.add(frame.pixels(), frame.time_s)
                film.finish()
            return target, film.left_out

    return made


@pytest.fixture
def with_sound(av, tmp_path):
    """Frames at these times, and a second of a tone."""

    def made(name, codec, times_ms, rate=48000, video_codec="libx264"):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            pictures, tone = container.add_stream(video_codec, rate=25), container.add_stream(codec, rate=rate)
            pictures.width, pictures.height, pictures.pix_fmt = 160, 96, "yuv420p"
            pictures.codec_context.time_base, tone.codec_context.layout = Fraction(1, 1000), "mono"
            for number, time_ms in enumerate(times_ms):
                frame = av.VideoFrame.from_ndarray(halves(number), format="bgr24")
                frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
                container.mux(pictures.encode(frame))
            container.mux(pictures.encode())
            resampler = av.AudioResampler(format=tone.codec_context.format, layout="mono", rate=rate)
            for start in range(0, rate, rate // 50):
                wave = np.sin(np.arange(start, start + rate // 50) / 20) * 8000
                frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
                for part in resampler.resample(frame):
                    container.mux(tone.encode(part))
            container.mux(tone.encode())
        return path

    return made


def packets(av, path):
    """(time in s, bytes) of each packet, by kind."""
    found: dict[str, list[tuple[Fraction, bytes]]] = {"video": [], "audio": []}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                found[packet.stream.type].append((packet.pts * packet.time_base, bytes(packet)))
    return {kind: sorted(each) for kind, each in found.items()}


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "libopus"), ("a.mkv", "aac")])
def test_pictures_keep_their_times_and_sound_is_the_sources_byte_for_byte(refilm, with_sound, av, name, codec):
    source = with_sound(name, codec, [0, 40, 47, 200, 230, 900, 905])
    film, left_out = refilm(source)
    there, made = packets(av, source), packets(av, film)
    assert left_out == ()
    assert [time for time, _ in made["video"]] == [time for time, _ in there["video"]]
    assert [content for _, content in made["audio"]] == [content for _, content in there["audio"]]
    late = [float(a - b) for (a, _), (b, _) in zip(made["audio"], there["audio"], strict=True)]
    assert max(map(abs, late)) < 0.001  # Matroska's own rounding


def test_a_broadcasts_clock_begins_at_zero_and_sound_stays_with_the_pictures(refilm, with_sound, av):
    source = with_sound("a.ts", "aac", [0, 40, 80, 120])
    there, made = packets(av, source), packets(av, refilm(source)[0])
    first = [found["video"][0][0] - found["audio"][0][0] for found in (there, made)]
    assert float(first[0]) == pytest.approx(float(first[1]), abs=0.001)
    assert 0 <= made["video"][0][0] < 0.1


def test_sound_that_no_mp4_holds_is_left_out_and_named(refilm, with_sound, av):
    film, left_out = refilm(with_sound("a.avi", "pcm_mulaw", [0, 40, 80], 8000, "mpeg4"))
    assert left_out == ("pcm_mulaw",)
    found = packets(av, film)
    assert len(found["video"]) == 3 and not found["audio"]


def test_a_video_without_sound_is_one_without(refilm, write, tmp_path, av):
    found = packets(av, refilm(write(tmp_path / "a.mp4", 5))[0])
    assert len(found["video"]) == 5 and not found["audio"]


def test_colours_are_the_pictures_own_and_said_to_be_bt709(refilm, write, tmp_path, av):
    film, _ = refilm(write(tmp_path / "a.mkv", 3, codec="ffv1", pixels=halves, pix_fmt="bgr0"))
    with Video(str(film)) as video:
        for number, frame in enumerate(video.frames()):
            there, want = frame.pixels().astype(int), halves(number).astype(int)
            assert np.abs(there[:, 8:72].mean((0, 1)) - want[:, 8:72].mean((0, 1))).max() < 4
    with av.open(str(film)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)


def test_an_odd_side_is_one_pixel_longer(refilm, write, tmp_path, av):
    path = write(
        tmp_path / "a.mkv", 2, codec="ffv1", pixels=lambda number: halves(number, 161, 97), pix_fmt="bgr0"
    )
    with av.open(str(refilm(path)[0])) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (162, 98)


@pytest.mark.parametrize(
    ("clockwise_deg", "is_mirrored"), [(90, False), (180, False), (270, False), (0, True), (90, True)]
)
def test_a_turned_video_is_upright_without_being_turned_again(
    refilm, write, tmp_path, turn_in_header, clockwise_deg, is_mirrored, av
):
    path = write(tmp_path / "a.mp4", 2, pixels=halves)
    turn_in_header(path, clockwise_deg, is_mirrored)
    film, _ = refilm(path)
    with Video(path) as there, Video(str(film)) as made:
        assert (made.info.rotation_deg, made.info.is_mirrored) == (0, False)
        assert (made.info.width, made.info.height) == (there.info.width, there.info.height)
        first, second = (next(video.frames()).pixels().astype(int) for video in (there, made))
    assert np.abs(first - second).mean() < 6
