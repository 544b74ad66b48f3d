"""What `of3` says to somebody who meets it for the first time."""

import subprocess
import sys

import pytest

from of3.runtime.commands.cli import main


@pytest.mark.parametrize("words", [[], ["help"], ["-h"], ["--help"]])
def test_it_lists_its_commands(words, capsys):
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "  run            pictures -> tables" in said
    assert "  render         the tables anew" in said


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("walk", "see of3 --help"),
        ("runn", "did you mean run?"),
        ("RUN", "did you mean run?"),
        ("fetch", "did you mean fetch-weights?"),
        ("--versoin", "did you mean --version?"),
    ],
)
def test_an_unknown_command_is_named_with_the_nearest_or_where_they_stand(word, said, capsys):
    assert main([word]) == 2
    assert capsys.readouterr().err == f"of3: got command {word!r}: {said}\n"


def test_help_of_a_command_is_its_help(capsys):
    assert main(["help", "run"]) == 0
    assert capsys.readouterr().out.startswith("usage: of3 run ")


def test_its_version_names_the_libraries_that_engines_are_made_of(capsys):
    assert main(["--version"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("of3 0.") and ", Python 3." in first
    assert "numpy " in second and "onnxruntime" in second


@pytest.mark.parametrize("command", ["run", "manifest", "merge"])
def test_help_is_printed_and_what_is_missing_is_named(command, capsys, caplog):
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: of3 {command} ")
    assert main([command]) == 2
    assert "missing --" in caplog.text + capsys.readouterr().err


def test_a_file_is_no_folder(standin_root, tmp_path, caplog):
    picture = standin_root / "images" / "face_1.png"
    words = ["--aligned", str(picture), "--logs", str(tmp_path), "--of3_root", str(standin_root)]
    assert main(["run", *words]) == 2
    assert "is a file, want the folder that it is in" in caplog.text


def test_a_reader_who_has_enough_is_no_error():
    code = "import sys; from of3.runtime.commands.cli import main; sys.exit(main(['run', '-h']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read().decode()
    assert (process.returncode, "Traceback" in said) == (0, False), said
