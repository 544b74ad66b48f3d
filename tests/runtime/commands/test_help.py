"""What every command says of itself, on a terminal of 80 columns."""

import configparser
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from of3.runtime.commands.overview import COMMANDS, overview, unknown

REPOSITORY = Path(__file__).resolve().parents[3]
SETUP = configparser.ConfigParser()
SETUP.read(REPOSITORY / "setup.cfg")
# Read there, as what is installed may be older.
POINTS = dict(line.split(" = ") for line in SETUP["options.entry_points"]["of3.commands"].strip().splitlines())
# Their parsers are argparse's own, so that the stand-ins of tests need not be made anew.


def called(name, *words):
    """Exit status of a command."""
    try:
        return EntryPoint(name, POINTS[name], "of3.commands").load()(list(words))
    except SystemExit as ended:
        return ended.code


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_every_command_has_its_line_and_every_line_its_command():
    assert {name for commands in COMMANDS.values() for name in commands} == set(POINTS)
    said = overview("1.0", POINTS)
    assert [name for name in said.split() if name in POINTS][: len(POINTS)]
    assert max(map(len, said.splitlines())) <= 80
    order = [line.split()[0] for line in said.splitlines() if line.startswith("  ")]
    assert order[:3] == ["setup", "fetch-weights", "export"] and set(order) == set(POINTS)


def test_only_what_is_installed_is_listed_and_what_is_foreign_too():
    said = overview("1.0", {"run", "mine"})
    assert "  run " in said and "  mine" in said and "video" not in said


@pytest.mark.parametrize("name", POINTS)
def test_its_help_fits_and_says_what_is_needed_first(name, capsys):
    assert called(name, "--help") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: of3 {name} ")
    assert [line for line in lines if len(line) > 80] == []
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    if name in ("run", "video", "live", "manifest", "merge"):
        assert titles[-1] != "most used:" and "most used:" in titles[:3]


@pytest.mark.parametrize("name", sorted(POINTS))
def test_a_flag_that_there_is_not_is_answered_with_the_nearest(name, capsys):
    bundle = ("--bundel", "--bundle")
    flags = {"build": bundle, "doctor": bundle, "verify": bundle, "convert": ("--uot", "--out")}
    flags |= dict.fromkeys(("export", "fetch-weights", "setup"), ("--of3_rot", "--of3_root"))
    flags |= {"draw": ("--smaple", "--sample"), "report": ("--thumbnials", "--thumbnails")}
    wrong, meant = flags.get(name, ("--th_smiel", "--th_smile"))
    if name in ("video", "live"):
        wrong, meant = "--lansmarks=on", "--landmarks"
    assert called(name, wrong, "x") == 2
    word = wrong.partition("=")[0]
    assert f"got {word}, which is no flag of of3 {name}: did you mean {meant}?" in capsys.readouterr().err
    assert called(name, "--zzzz") == 2
    assert f"got --zzzz, which is no flag of of3 {name}\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["convert", "draw", "render", "report"])
def test_logs_that_stand_by_themselves_are_shown_to_who_asks_for_a_flag(name, capsys):
    assert called(name, "--logs", "x") == 2
    assert f": LOGS stands by itself, as in `of3 {name} LOGS`\n" in capsys.readouterr().err


def test_a_command_that_there_is_not_is_answered_with_the_nearest():
    assert unknown("rnu", POINTS).endswith("did you mean run?")
    assert unknown("vidoe", POINTS).endswith("did you mean video?")
    assert "did you mean" not in unknown("zzzz", POINTS)
