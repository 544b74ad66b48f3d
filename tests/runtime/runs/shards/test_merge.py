"""Parts -> the logs of a single run, or an error that says which shard and what to do."""

import json
import os
import shutil
from dataclasses import replace

import pytest

from of3.runtime.commands.cli import main
from of3.runtime.logs.folder import Mode
from of3.runtime.logs.items import Stamp
from of3.runtime.logs.store import store_of
from of3.runtime.runs.shards.merge import merge
from of3.runtime.runs.shards.plan import clear, find_plan, replace_plan
from of3.runtime.runs.shards.planning import asked_of, planned
from of3.runtime.runs.shards.results import Part, done_path, read_part, todo, whole
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
    merge(plan)  # a table was taken away: from the records again
    assert files(logs) == single
    merge(plan, anew=True)
    assert files(logs) == single


def test_run_json_says_the_same_as_a_single_runs(run, out, options, logs):
    run("--device", "cpu")
    single = json.loads((out / "run.json").read_text())
    shutil.rmtree(out)
    logs.mkdir()
    merge(make(options, logs))
    merged = json.loads((out / "run.json").read_text())
    assert merged["finished"]
    for document in (single, merged):  # as many as the shards' ends make of them
        del document["engines"]["multitask"]["batches"]
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
    done_path(plan, whole(plan, 1)).unlink()
    with pytest.raises(RunError, match="got 2 of 3 shards, missing 1: run the shares they are in again"):
        merge(plan)
    assert not (logs / "openface3.csv").exists()


def replaced(plan, shard, change_run=lambda run: run, change_items=lambda items: items, made=lambda made: made):
    """The part as if a run had written it otherwise."""
    task = whole(plan, shard)
    with store_of(read_part(plan, task), plan.folder) as part:
        run, (session,) = change_run(part.run(1)), part.sessions()
        found = change_items([(result, item) for item, result in part.results(1)])
    done_path(plan, task).unlink()
    with Part(run) as again:
        again.add(again.entries([(item, result) for result, item in found]))
        again.publish(plan, task, made(session.made), session.started_s, session.ended_s)


def test_a_part_of_another_run_is_named(plan, logs):
    replaced(plan, 1, change_run=lambda run: replace(run, identity={**run.identity, "bundle": "another"}))
    with pytest.raises(RunError, match=r"shard 1: it was made by another run: delete .*\.done and run"):
        merge(plan)
    assert not (logs / "openface3.csv").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found[:-1],
        lambda found: [(found[0][0], replace(found[0][1], stamp=Stamp(1, 1))), *found[1:]],
        lambda found: [(replace(found[0][0], source="x"), replace(found[0][1], path="x")), *found[1:]],
    ],
)
def test_a_part_of_other_pictures_is_named(plan, logs, change):
    replaced(plan, 1, change_items=change)
    with pytest.raises(RunError, match="shard 1: its pictures are not those of the manifest"):
        merge(plan)
    assert not (logs / "openface3.csv").exists()


def test_a_part_in_anothers_place_is_named(plan, logs):
    shutil.copy(done_path(plan, whole(plan, 0)), done_path(plan, whole(plan, 1)))
    with pytest.raises(RunError, match="shard 1: its pictures are not those of the manifest"):
        merge(plan)
    assert not (logs / "openface3.csv").exists()


def test_a_changed_index_is_refused(plan):
    path = plan.folder / "shards.tsv"
    path.write_bytes(path.read_bytes().replace(b"0000000002", b"0000000001", 1))
    with pytest.raises(RunError, match=r"shards\.tsv was changed"):
        merge(plan)


def test_the_batches_of_all_parts_are_added_up(plan, logs, caplog):
    merge(plan)
    (engine,) = json.loads((logs / "run.json").read_text())["engines"].values()
    assert sum(engine["batches"].values()) == plan.shards
    assert "others" not in engine
    assert "different engines" not in caplog.text


@pytest.mark.parametrize("batches", [{"any": "1"}, {"any": None}, [1], 7])
def test_batches_that_are_no_counts_are_refused(plan, batches):
    def miscounted(made):
        return {**made, "engines": {"multitask": {**made["engines"]["multitask"], "batches": batches}}}

    replaced(plan, 2, made=miscounted)
    with pytest.raises(RunError, match="not what a run writes"):
        merge(plan)


def test_engines_that_differ_are_all_told(plan, logs, caplog):
    def on_another(made):
        engines = {"multitask": {**made["engines"]["multitask"], "runs": "another engine"}}
        return {**made, "engines": engines}

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


def test_looking_for_a_plan_changes_nothing_and_one_that_was_about_to_go_comes_back(plan, logs):
    plan.folder.rename(logs / "plan.old")  # as a process leaves it that is killed between two renames
    before = tree(logs)
    assert find_plan(logs) is None
    assert tree(logs) == before
    clear(logs)
    assert find_plan(logs) == plan


def test_a_plan_of_shards_is_no_plan_of_tensorrt():
    from of3.engines.trt import plan_file
    from of3.runtime.runs.shards import plan as shards

    assert shards.FORMAT != plan_file.FORMAT


def test_a_merge_where_a_table_was_appended_to_meanwhile_keeps_both(single, options, logs):
    merge(make(options, logs))
    with (logs / "openface3.csv").open("a") as file:
        file.write("mine,x,1,2,,,,,,,,,,,,1\n")
    before = (logs / "openface3.csv").read_bytes()
    merge(make(options, logs))
    body = single["openface3.csv"].split(b"\n", 1)[1]
    assert (logs / "openface3.csv").read_bytes() == before + body


def test_a_plan_of_before_is_passed_over_once_merged_or_overridden(run, plan, caplog):
    """0.1 called it by the name of TensorRT's, and said in merge.json how far its merge was."""
    document = json.loads((plan.folder / "plan.json").read_text())
    (plan.folder / "plan.json").write_text(json.dumps({**document, "format": "of3-plan", "revision": 1}))
    assert run("--device", "cpu") == 2
    assert "plan: not a plan of this version (it was changed): pass --override" in caplog.text
    (plan.folder / "merge.json").write_text('{"stage": "merged", "before": 0}')
    assert run("--device", "cpu") == 0
    (plan.folder / "merge.json").unlink()
    assert run("--device", "cpu", "--override") == 0
    assert not plan.folder.exists()
