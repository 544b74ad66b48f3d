"""A plan that was damaged, or that somebody wrote: refused by name, never a traceback."""

import hashlib
import json
import os

import pytest

from of3.runtime.commands.cli import main
from of3.runtime.logs.folder import Mode
from of3.runtime.runs.shards.document import text_of
from of3.runtime.runs.shards.plan import find_plan, replace_plan
from of3.runtime.runs.shards.planning import asked_of, planned
from of3.runtime.runs.shards.work import ShardSession
from of3.runtime.types import RunError


@pytest.fixture
def plan(options, logs):
    """Three shards of two pictures, and what makes their rows."""
    asked = options("--shard_size", "2", "--no_calib", "on")
    made = replace_plan(logs, planned(asked, logs, 1, Mode(), asked_of(asked)).folder)
    with ShardSession(asked, made):
        return made


def found(logs):
    there = find_plan(logs)
    assert there is not None
    return there


def rewritten(path, change):
    """With the digest of what it says now."""
    document = json.loads(path.read_text())
    del document["sha256"]
    path.write_text(text_of(change(document)))


NUMBERS = [
    *({"shards": value} for value in (10**15, 10**300, -1, True, 3.0, "3", None)),
    *({"pictures": value} for value in (0, -1, 10**15)),
    {"shard_size": 0},
    {"images": 5},
    {"skipped": -1, "images": 5},
    {"mode": {"override": 1, "resume": False}},
    {"mode": [False, False]},
    {"root": None},
    {"identity": []},
    *({"token": value} for value in ("", "\ud800", "x" * 32, "a" * 31)),
    {"more": 1},
    {"revision": 3},
]


@pytest.mark.parametrize("change", NUMBERS)
def test_a_plan_whose_values_are_none_of_a_plan_is_refused(plan, logs, change):
    rewritten(plan.folder / "plan.json", lambda document: {**document, **change})
    with pytest.raises(RunError, match=r"plan: not a plan of this version \(.*\): pass --override"):
        find_plan(logs)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a": ' * 100_000, b"{}"])
@pytest.mark.parametrize("name", ["plan.json", "run/identity.json"])
def test_what_is_no_document_is_refused(plan, logs, name, content):
    (plan.folder / name).write_bytes(content)
    with pytest.raises(RunError, match=r"plan.*: pass --override"):
        found(logs).pinned()


@pytest.mark.parametrize("name", ["plan.json", "run/identity.json", "shards.tsv", "manifest.tsv"])
def test_a_file_without_end_is_not_read(plan, logs, name, caplog):
    os.truncate(plan.folder / name, 1 << 40)
    assert main(["merge", "--logs", str(logs.parent)]) == 2
    assert str(plan.folder) in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: {**fields, "run": "{}"},
        lambda fields: {**fields, "run": "[" * 100_000},
        lambda fields: {**fields, "run": fields["run"].replace('"th_smile": 0.5', '"th_smile": "0.5"')},
        lambda fields: {**fields, "run": fields["run"].replace('"yaw"', "7")},
        lambda fields: {**fields, "flags": {}},
        lambda fields: {**fields, "flags": {**fields["flags"], "override": "on"}},
        lambda fields: {**fields, "flags": {**fields["flags"], "th_smile": 0.7}},
        lambda fields: {"run": fields["run"]},
    ],
)
def test_what_makes_the_rows_is_checked(plan, change):
    rewritten(plan.folder / "run" / "identity.json", change)
    with pytest.raises(RunError, match=r"identity\.json: not to be read \(.*\): pass --override"):
        plan.pinned()


def test_a_changed_byte_of_a_document_is_told(plan, logs):
    for path in (plan.folder / "run" / "identity.json", plan.folder / "plan.json"):
        path.write_text(path.read_text().replace("false", "true ", 1))
        with pytest.raises(RunError, match="it was changed"):
            found(logs).pinned()


@pytest.mark.parametrize("name", ["../x.jpg", "/etc/x.jpg", "sub/../../x.jpg"])
def test_no_picture_outside_the_folder_is_read(plan, logs, name):
    """Its own files would be written outside the logs."""
    manifest, index = plan.folder / "manifest.tsv", plan.folder / "shards.tsv"
    lines = manifest.read_bytes().splitlines(keepends=True)
    lines[1] = b"0\t1\t1\t0\t" + name.encode() + b"\n"
    entries = index.read_bytes().splitlines(keepends=True)
    digest = hashlib.sha256(b"".join(lines[1:3])).hexdigest().encode()
    entries[0] = b"\t".join([*entries[0].split(b"\t")[:2], digest + b"\n"])
    manifest.write_bytes(b"".join(lines))
    index.write_bytes(b"".join(entries))
    with pytest.raises(RunError, match=r"manifest\.tsv: shard 0 was changed: make it anew"):
        found(logs).items(0)


@pytest.mark.parametrize("start", [b"9" * 20, b"-" + b"1" * 19, b"\xff" * 20])
@pytest.mark.parametrize("count", [b"9" * 10, b"x" * 10])
def test_an_index_that_leads_nowhere_is_told(plan, start, count):
    index = plan.folder / "shards.tsv"
    index.write_bytes(b"\t".join([start, count, b"0" * 64 + b"\n"]))
    with pytest.raises(RunError, match="shard 0 was changed: make it anew"):
        plan.items(0)
