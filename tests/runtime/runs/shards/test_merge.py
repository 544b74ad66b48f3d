"""Parts -> the logs of a single run, or an error that says which shard and what to do."""

import json
import os
import shutil

import pytest

from of3.runtime.commands.cli import main
from of3.runtime.logs import tables
from of3.runtime.logs.files import replace_text
from of3.runtime.logs.folder import Mode
from of3.runtime.logs.writer import write_au_info
from of3.runtime.runs.shards import merge as merging
from of3.runtime.runs.shards.merge import merge
from of3.runtime.runs.shards.plan import replace_plan
from of3.runtime.runs.shards.planning import asked_of, planned
from of3.runtime.runs.shards.results import path_of, read_result, todo, whole, write_result
from of3.runtime.runs.shards.work import ShardSession
from of3.runtime.types import RunError


def make(options, logs, *flags, mode=Mode()):  # noqa: B008 - frozen
    asked = options("--shard_size", "2", *flags)
    plan = replace_plan(logs, planned(asked, logs, 1, mode, asked_of(asked)).folder)
    with ShardSession(asked, plan) as session:
        for task in todo(plan, range(plan.shards)):
            list(session.run_task(task))
    return plan


@pytest.fixture
def plan(options, logs):
    """Three shards of two pictures, done."""
    return make(options, logs)


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_what_a_single_run_writes_and_again_changes_nothing(single, options, logs, files):
    plan = make(options, logs)
    merge(plan)
    assert files(logs) == single
    before = tree(logs)
    merge(plan)
    assert tree(logs) == before
    (logs / "openface3.csv").unlink()
    merge(plan)  # the tables were taken away: from the parts again
    assert tree(logs) == before
    merge(plan, anew=True)
    assert tree(logs) == before


def test_run_json_says_the_same_as_a_single_runs(run, out, options, logs):
    run("--device", "cpu")
    single = json.loads((out / "run.json").read_text())
    shutil.rmtree(out)
    logs.mkdir()
    merge(make(options, logs))
    merged = json.loads((out / "run.json").read_text())
    assert merged["finished"]
    assert {name for name in merged if merged[name] != single[name]} <= {
        "started",
        "elapsed_s",
        "images_per_s",
        "flags",
    }
    differing = {name for name in merged["flags"] if merged["flags"][name] != single["flags"][name]}
    assert differing == {"shard_size"}


def test_rows_that_are_there_stay_unless_overridden(run, out, options, logs, single):
    run("--device", "cpu", "--th_smile", "0.9")
    before = (out / "openface3.csv").read_bytes()
    merge(make(options, logs))
    body = single["openface3.csv"].split(b"\n", 1)[1]
    assert (out / "openface3.csv").read_bytes() == before + body
    merge(make(options, logs, mode=Mode(override=True)))
    assert (out / "openface3.csv").read_bytes() == single["openface3.csv"]


def test_missing_shards_are_named_and_nothing_is_written(plan, logs):
    path_of(plan, whole(plan, 1)).unlink()
    with pytest.raises(RunError, match="got 2 of 3 shards, missing 1: run the shares they are in again"):
        merge(plan)
    assert not (logs / "openface3.csv").exists()


def replaced(plan, shard, **fields):
    """The part with other fields, as if a run had written it so."""
    from dataclasses import replace

    part = read_result(plan, whole(plan, shard))
    path_of(plan, part.task).unlink()
    write_result(plan, replace(part, **{name: change(part) for name, change in fields.items()}))


def test_a_part_of_another_run_is_named(plan):
    replaced(plan, 1, identity=lambda _: "another")
    with pytest.raises(RunError, match="shard 1: it was made by another run: delete its file in parts/"):
        merge(plan)


def test_a_part_of_other_pictures_is_named(plan, logs):
    other = read_result(plan, whole(plan, 0)).chunk
    replaced(plan, 1, chunk=lambda _: other)
    with pytest.raises(RunError, match="shard 1: its pictures are not those of the manifest"):
        merge(plan)
    assert not (logs / "openface3.csv").exists()


def test_a_part_that_lost_a_row_does_not_balance(plan):
    def shorter(part):
        rows, *others = part.chunk.contents
        return tables.Chunk(part.chunk.entries, (rows[: rows.rindex(b"\n", 0, -1) + 1], *others))

    replaced(plan, 2, chunk=shorter)
    with pytest.raises(RunError, match="shard 2: its counts do not balance"):
        merge(plan)


def test_counts_that_differ_from_the_rows_do_not_balance(plan):
    from of3.runtime.logs.counts import Counts

    replaced(plan, 0, counts=lambda _: Counts(done=2))  # one of them failed
    with pytest.raises(RunError, match="shard 0: its counts do not balance"):
        merge(plan)


def test_a_changed_index_is_refused(plan):
    path = plan.folder / "shards.tsv"
    path.write_bytes(path.read_bytes().replace(b"0000000002", b"0000000001", 1))
    with pytest.raises(RunError, match=r"shards\.tsv was changed"):
        merge(plan)


@pytest.mark.parametrize("moment", range(12))
def test_killed_at_any_moment_it_goes_on_to_the_same_files(single, options, logs, files, monkeypatch, moment):
    """Each step that leaves something behind is the last one, once."""
    plan = make(options, logs)
    steps = iter(range(moment))

    class Killed(BaseException):
        pass

    def until_killed(step):
        def counted(*arguments, **named):
            if next(steps, None) is None:
                raise Killed
            return step(*arguments, **named)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(merging, "replace_text", until_killed(replace_text))
        patch.setattr(tables.Appender, "append", until_killed(tables.Appender.append))
        patch.setattr(merging, "write_au_info", until_killed(write_au_info))
        try:
            merge(plan)
        except Killed:
            assert moment < 16
    merge(plan)
    assert files(logs) == single


def test_engines_that_differ_are_all_told(plan, logs, caplog):
    def on_another(part):
        (made,) = part.made
        engines = {"multitask": {**made["engines"]["multitask"], "runs": "another engine"}}
        return ({**made, "engines": engines},)

    replaced(plan, 2, made=on_another)
    merge(plan)
    (engine,) = json.loads((logs / "run.json").read_text())["engines"].values()
    assert [other["runs"] for other in engine["others"]] == ["another engine"]
    assert "parts were made on different engines" in caplog.text


def test_the_command_names_what_to_do_where_there_is_no_plan(tmp_path, caplog, capsys):
    assert main(["merge", "--logs", str(tmp_path / "none")]) == 2
    assert "no plan: make one with `of3 manifest`" in caplog.text
    assert main(["merge"]) == 2
    assert "missing --logs: see of3 merge -h" in capsys.readouterr().err
    assert main(["merge", "-h"]) == 0
    assert capsys.readouterr().out.startswith("usage: of3 merge --logs DIR [flags of the run]")
    assert not os.path.exists(tmp_path / "none")
