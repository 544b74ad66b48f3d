from pathlib import Path

import pytest

from of3.runtime.commands import build, doctor, render
from of3.runtime.commands.flags import parse, parser
from of3.runtime.types import RunError

REQUIRED = ["--aligned", "in", "--logs", "out", "--of3_root", "root"]


def options(*flags):
    return parse([*REQUIRED, *flags], "of3 run").options()


def test_defaults_are_the_originals():
    found = options()
    assert (found.device, found.amp, found.dtype, found.tf32) == ("cuda", True, "bf16", True)
    assert (found.skip_detect, found.detector_resize) == (True, 1.0)
    assert (found.th_smile, found.th_mouth) == (0.5, 0.5)
    assert (found.no_calib, found.calib_cache, found.calib_guard) == (False, True, True)
    assert (found.extra_csv, found.csv_emotion_topk) == (False, 0)
    assert (found.landmarks, found.landmarks_fmt, found.per_image) == (False, "json", True)
    assert (found.override, found.batch, found.workers) == (False, 0, 0)
    assert found.weights == Path("root/weights")
    assert found.bundle == Path("root/weights/of3_bundle")


def test_amp_is_off_on_the_cpu_unless_asked():
    assert not options("--device", "cpu").amp
    assert options("--device", "cpu", "--amp", "on").amp


def test_weights_move_the_bundle():
    assert options("--weights", "w").bundle == Path("w/of3_bundle")
    assert options("--weights", "w", "--bundle", "b").bundle == Path("b")


def test_the_seeds_command_line_is_taken():
    found = options(
        *("--device", "cuda", "--amp", "on", "--dtype", "bf16", "--tf32", "on", "--skip_detect", "on"),
        *("--per_image", "on", "--override"),
    )
    assert found.override
    assert found.per_image


@pytest.mark.parametrize(
    ("word", "value"), [("on", True), ("Yes", True), ("1", True), ("n", False), ("off", False)]
)
def test_every_command_takes_the_same_words(word, value):
    built = build.parse(["--bundle", "b", "--tf32", word])
    tried = doctor.parse(["--tf32", word])
    rendered = render.parse(["logs", "--extra_csv", word, "--per_image", word])
    assert [built.tf32, tried.tf32, rendered.extra_csv, rendered.per_image] == [value] * 4
    for parse_words in (build.parse, doctor.parse):
        with pytest.raises(SystemExit, match="2"):
            parse_words(["--bundle", "b", "--tf32", "maybe"])


@pytest.mark.parametrize("word", ["on", "ON", "1", "true", "True", "yes", "y", "Y"])
def test_words_for_on(word):
    assert options("--landmarks", word).landmarks


@pytest.mark.parametrize("word", ["off", "Off", "0", "false", "no", "N"])
def test_words_for_off(word):
    assert not options("--skip_detect", word).skip_detect


@pytest.mark.parametrize(
    "flags",
    [
        ("--landmarks", "maybe"),
        ("--detector_resize", "0"),
        ("--detector_resize", "nan"),
        ("--detector_resize", "automatic"),
        ("--faces", "0"),
        ("--faces", "every"),
        ("--faces", "-1"),
        ("--csv_emotion_topk", "-1"),
        ("--batch", "0"),
        ("--dtype", "int8"),
        ("--land", "on"),
        ("--shard", "5/4"),
        ("--shard", "0/0"),
        ("--shard", "-1/4"),
        ("--shard", "1"),
        ("--executor", "slurm"),
        ("--memory", "0"),
        ("--memory", "1T"),
        ("--memory", "-1M"),
        ("--suffixes", ""),
        ("--suffixes", "jpg,,png"),
        ("--suffixes", "a/b"),
    ],
)
def test_wrong_values_and_abbreviations_exit_2(flags, capsys):
    with pytest.raises(SystemExit) as left:
        options(*flags)
    assert left.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_memory_is_given_in_bytes_or_powers_of_two():
    for text, want in (("auto", 0), ("4096", 4096), ("3k", 3072), ("512M", 512 << 20), ("2G", 2 << 30)):
        assert options("--memory", text).memory == want


def test_the_detectors_input_is_resized_by_a_number_or_as_the_picture_wants_it():
    for text, want in (("0.5", 0.5), ("2", 2.0), ("auto", "auto")):
        assert options("--detector_resize", text).detector_resize == want


def test_who_asks_for_every_face_gets_them_looked_for_at_every_size_unless_told():
    assert options().faces == "best"
    for text, want in (("all", "all"), ("3", 3)):
        found = options("--faces", text)
        assert (found.faces, found.skip_detect, found.detector_resize) == (want, False, "auto")
    found = options("--faces", "all", "--skip_detect", "on", "--detector_resize", "1.0")
    assert (found.skip_detect, found.detector_resize) == (True, 1.0)


def test_suffixes_are_the_same_however_they_are_said():
    assert options().suffixes == "jpg,jpeg,png,webp,bmp"
    assert options("--suffixes", ".HEIC, jpg,.jpg").suffixes == "heic,jpg"


@pytest.mark.parametrize(
    ("text", "share"), [("0/4", (0, 4)), ("3/4", (3, 4)), ("4/4", (0, 4)), ("1/1", (0, 1))]
)
def test_shares_count_from_0_or_from_1(text, share):
    assert options("--shard", text).shard == share


def test_more_shares_than_anybody_has_are_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        options("--shard", "1/999999999999999")
    assert "got 999999999999999 shares, want at most 100000" in capsys.readouterr().err


def test_missing_flags_are_named():
    command = parse(["--logs", "x"], "of3 run")
    assert command.missing == ("--aligned", "--of3_root")
    with pytest.raises(RunError, match="--aligned, --of3_root"):
        command.options()


@pytest.mark.parametrize("flags", [["--help"], ["--help", "on"], []])
def test_help_is_written_by_default(flags):
    assert parse(flags, "x").write_help


def test_help_flags():
    assert not parse(["--help", "off"], "x").write_help
    assert parse(["-h"], "x").print_help
    assert parse(["--h"], "x").print_help
    assert not parse([], "x").print_help


def test_the_help_text_names_every_flag_of_the_seed():
    text = parser("openface3.py").format_help()
    flags = (
        "aligned logs override device amp dtype tf32 skip_detect detector_resize weights of3_root th_smile "
        "th_mouth no_calib calib_cache extra_csv csv_emotion_topk landmarks landmarks_fmt help h per_image"
    )
    for flag in flags.split():
        assert f"--{flag}" in text
