"""What of3 raises of its own has one root."""

import ast
from pathlib import Path

import pytest

from of3.engines.base import BatchRefused, EngineFailed, EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.errors import Error
from of3.engines.workers import WorkerDied
from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.records import open_records
from of3.runtime.settings import SettingsError
from of3.runtime.sources.container import VideoError
from of3.runtime.types import Closed, PictureError, RunError

REPOSITORY = Path(__file__).resolve().parents[1]


def test_no_exception_of_ours_has_another():
    rooted = {
        node.name
        for folder in ("engines", "runtime", "export", "verify")
        for path in (REPOSITORY / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
        and {ast.unparse(base) for base in node.bases} & {"Exception", "BaseException", "ValueError", "OSError"}
    }
    assert rooted == {"Error", "SettingsError"}


@pytest.mark.parametrize(
    "each",
    [
        *(BatchRefused, BundleError, Closed, EngineFailed, EngineUnavailable, PictureError),
        *(RunError, SettingsError, VideoError, WorkerDied),
    ],
)
def test_whoever_catches_the_root_catches_them(each):
    assert issubclass(each, Error) and issubclass(each, Exception)


def test_a_folder_with_no_bundle_or_no_records_is_one_of_ours(tmp_path):
    for call in (Pipeline.open, open_records):
        with pytest.raises(Error, match=str(tmp_path)):
            call(tmp_path)
