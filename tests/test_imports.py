"""Who imports whom, in the sources and in a clean interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import of3

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "onnx", "tensorrt", "tensorrt_rtx", "onnxruntime"}
# Each floor, and the floors that it may import.
FLOORS = {
    "engines": "",
    "records": "engines",  # of3.runtime's own: what flows, what is asked for
    "vision": "engines records",
    "logs": "records vision",
    "pipeline": "engines records vision",
    "sources": "records vision",
    "tracks": "records vision",
    "drawing": "records vision",
    "tables": "records vision logs tracks",
    "pages": "records",
    "report": "records vision logs sources tracks tables pages",
    "runs": "engines records vision logs pipeline sources tracks drawing tables pages report",
    "commands": "engines records vision logs pipeline runs",
    "export": "engines records vision runs commands",
    "verify": "engines records vision logs drawing pages runs commands pipeline export",
    "public": "records commands",  # of3 itself, whose names are those of of3.runtime
    "tools": "engines records vision logs pipeline sources drawing runs commands export",
}
RECORDS = {"", "types", "settings", "options", "remarks", "patience", "stream", "video_options", "live_options"}


def floor(module):
    if module in ("of3", "of3.__main__"):
        return "public"
    top, _, rest = module.removeprefix("of3.").partition(".")
    if top != "runtime":
        return top
    part = rest.partition(".")[0]
    return "records" if part in RECORDS else part if part in FLOORS else "pipeline"


def modules():
    """Every module of ours, by its dotted name."""
    found, folders = {}, ("engines", "runtime", "export", "verify", "public", "tools")
    for path in (path for folder in folders for path in sources(folder)):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        parts = parts[1:] if parts[0] == "public" else parts
        name = ".".join(parts if path.is_relative_to(REPOSITORY / "tools") else ("of3", *parts))
        found[name.removesuffix(".__init__")] = path
    return found


def arrows():
    """(importer, imported) between modules of ours; late imports too, but for the lazy face of of3.runtime."""
    known = modules()
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or name == "of3.runtime":
                continue
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                target = whole if whole in known else node.module
                if target in known and target != name:
                    yield name, target


def test_arrows_run_one_way():
    wrong = [
        (name, target)
        for name, target in arrows()
        if floor(target) != floor(name) and floor(target) not in FLOORS[floor(name)].split()
    ]
    assert wrong == []


def test_there_is_no_cycle():
    left: dict[str, set[str]] = {name: set() for name in modules()}
    for name, target in arrows():
        left[name].add(target)
    while leaves := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in leaves:
            del left[name]
    assert sorted(left) == []


def sources(folder):
    found = (REPOSITORY / folder).rglob("*.py")
    return sorted(path for path in found if "typing" not in path.parts)


def imported(path):
    """Top-level names of what a module imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        yield from imported_by(node)


def imported_by(node):
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0 and node.module, f"relative: {ast.unparse(node)}"
        yield node.module.split(".")[0]


@pytest.mark.parametrize("folder", ["engines", "runtime"])
def test_the_lean_part_meets_no_heavy_library(folder):
    met = {(path.name, name) for path in sources(folder) for name in set(imported(path)) & HEAVY}
    assert met <= {("providers.py", "onnxruntime")}


def test_ray_is_met_in_one_place_and_only_when_asked_for():
    assert [path.name for path in sources("runtime") if "ray" in imported(path)] == ["cluster.py"]
    (path,) = (path for path in sources("runtime") if path.name == "cluster.py")
    tree = ast.parse(path.read_text("utf-8"))
    assert not any(
        alias.name == "ray" for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    )


def test_pyav_is_met_in_sources_only_and_only_when_a_video_is_opened():
    met = [path for path in sources("runtime") if "av" in imported(path)]
    assert {path.parent.name for path in met} == {"sources"}
    for path in met:
        at_once = ast.parse(path.read_text("utf-8")).body  # what only a type checker sees lies in an `if`
        assert not any("av" in imported_by(node) for node in at_once)


def test_pylsl_is_met_in_one_place_and_only_when_asked_for():
    assert [path.name for path in sources("runtime") if "pylsl" in imported(path)] == ["outlet.py"]
    (path,) = (path for path in sources("runtime") if path.name == "outlet.py")
    assert not any("pylsl" in imported_by(node) for node in ast.parse(path.read_text("utf-8")).body)


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


BLOCK = f"""
import sys
for name in {sorted(HEAVY)}:
    sys.modules[name] = None
"""


def test_runtime_imports_with_every_heavy_library_blocked():
    done = run_python(BLOCK + "import of3.runtime.runs.job, of3.engines.open, of3.runtime.runs.shards.run")
    assert done.returncode == 0, done.stderr


def test_help_needs_neither_opencv_nor_an_engine():
    code = "import sys, of3.runtime.commands.run; from of3.runtime.commands.flags import parser; parser('x'); "
    done = run_python(code + "print([m for m in ('cv2', 'onnxruntime', 'torch') if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_what_is_public_is_imported_when_it_is_asked_for():
    code = (
        "import sys, of3.runtime; print('cv2' in sys.modules)\n"
        "from of3.runtime import Failure, Pipeline, Record, Settings, calibrate; print('cv2' in sys.modules)\n"
        "print(sorted(of3.runtime.__all__) == of3.runtime.__all__, hasattr(of3.runtime, 'nothing'))"
    )
    assert run_python(code).stdout.split() == ["False", "True", "True", "False"]


def test_of3_itself_is_light_and_has_every_public_name():
    code = (
        "import sys, of3; print({'cv2', 'numpy', 'of3.runtime'} & {*sys.modules}, of3.__version__[:2])\n"
        "from of3 import *; print(Pipeline.__name__, all(hasattr(of3, name) for name in of3.__all__))\n"
        "import of3.runtime; print({*of3.__all__} - {*of3.runtime.__all__}, hasattr(of3, 'nothing'))\n"
        "print({*of3.__all__} <= {*dir(of3)}, of3.Pipeline is of3.runtime.Pipeline)"
    )
    done = run_python(code)
    want = ["set() 0.", "Pipeline True", "{'__version__'} False", "True True"]
    assert done.stdout.splitlines() == want, done.stderr


def test_python_m_of3_is_of3():
    done = subprocess.run(
        [sys.executable, "-m", "of3", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("of3 0.")


def test_a_clone_named_of3_does_not_stand_before_the_package(tmp_path):
    if Path(of3.__file__).parent == REPOSITORY / "public":
        pytest.skip("Python asks an editable install after the folders it stands in: CONTRIBUTING.md")
    (tmp_path / "of3" / "runtime").mkdir(parents=True)
    code = "import of3; print(of3.Settings)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "of3.runtime.settings.Settings" in done.stdout, done.stderr


def test_it_is_silent_unless_a_program_asks_for_its_lines():
    code = "import logging, sys, of3\n{}\nlogging.getLogger('of3.engines.fallback').warning('told')"
    assert run_python(code.format("")).stderr == ""
    assert "told" in run_python(code.format("logging.basicConfig()")).stderr


def test_every_line_goes_to_a_logger_below_of3_and_none_is_printed_but_by_commands():
    for path in (*sources("engines"), *sources("runtime")):
        text = path.read_text("utf-8")
        named = [line for line in text.splitlines() if "getLogger(" in line]
        allowed = ("getLogger(__name__)", 'getLogger("of3")')
        assert all(any(each in line for each in allowed) for line in named), path
        assert "commands" in path.parts or "print(" not in text, path


def test_pandas_and_pyarrow_are_met_when_a_table_is_made():
    code = (
        "import sys, of3.runtime.runs.convert, of3.runtime.runs.video_job, of3.runtime.tables.frame\n"
        "print([name for name in ('pandas', 'pyarrow') if name in sys.modules])"
    )
    done = run_python(code)
    assert done.stdout.strip() == "[]", done.stderr


def test_pixel_limit_is_set_before_opencv_is_imported():
    code = "import os, sys, of3.runtime; print('cv2' in sys.modules, os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'])"
    assert run_python(code).stdout.split() == ["False", "178956970"]


def test_without_ray_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from of3.runtime.runs.shards.cluster import import_ray\n"
        "from of3.runtime.types import RunError\n"
        "try: import_ray()\n"
        "except RunError as error: print(error)"
    )
    assert "pip install 'of3[ray]'" in run_python(code).stdout


def test_without_pylsl_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['pylsl'] = None\n"
        "from of3.runtime.runs.outlet import check_there\n"
        "from of3.runtime.types import RunError\n"
        "try: check_there()\n"
        "except RunError as error: print(error)"
    )
    assert "pip install 'of3[live]'" in run_python(code).stdout


def test_without_onnxruntime_the_error_names_the_extras(bundle_folder):
    code = BLOCK + (
        "from of3.runtime.pipeline import Pipeline\n"
        "from of3.engines.base import EngineUnavailable\n"
        f"try: Pipeline.open({str(bundle_folder)!r})\n"
        "except EngineUnavailable as error: print(error)"
    )
    done = run_python(code)
    assert "of3[cpu]" in done.stdout, done.stderr
    assert "of3[gpu]" in done.stdout
