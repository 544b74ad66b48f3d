"""Stand-in roots and bundles, made once by the exporter and then used without PyTorch.

OF3_TEST_ROOT names a folder that keeps them between runs and between environments (tools/check sets it);
they are made anew when the exporter's sources change.
"""

import hashlib
import inspect
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_ROOT = REPOSITORY.parent / "shared" / "data" / "of3_root"
WIDTH = 0.125  # of the stand-ins' networks: what is tested on them does not depend on their size
PERMUTED = (26, 4, 1, 12, 2, 9, 6, 25)  # AU lit up by output 0, 1, ...


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="repetitions at length, and what takes minutes")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        for item in items:
            if "long" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="takes long: tools/check --long"))


@pytest.fixture(scope="session")
def preloaded(tmp_path_factory):
    """C source -> the library that LD_PRELOAD names."""

    def compiled(source):
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip(f"no C compiler here, which {source.name} needs")
        made = tmp_path_factory.mktemp("preloaded") / f"{source.stem}.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"], check=True)
        return made

    return compiled


def _ray_lock():
    return FileLock(Path(tempfile.gettempdir()) / "of3-tests.ray.lock")


@pytest.fixture
def ray_alone():
    """One test at a time has a cluster: Ray notes the last one of a machine, where others then find it."""
    with _ray_lock():
        yield


@pytest.fixture(scope="module")
def ray_alone_in_module():
    """The same for all tests of a module."""
    with _ray_lock():
        yield


def one_thread() -> None:
    """Two processes that make a root each keep two cores busy as they are."""
    os.environ["OMP_NUM_THREADS"] = "1"


def sources_digest() -> str:
    """Of what roots and bundles are made by."""
    digest = hashlib.sha256(f"{SHARED_ROOT.exists()} {WIDTH} {PERMUTED}".encode())
    for path in sorted((REPOSITORY / "export").rglob("*.py")):
        digest.update(path.read_bytes())
    for maker in (make_standin, make_permuted, write_golden):
        digest.update(inspect.getsource(maker).encode())
    return digest.hexdigest()


def make_standin(root: Path) -> None:
    """Documented order, 98 landmarks, and PyTorch's own outputs as golden.npz."""
    from of3.export.standin import write_root

    write_root(root, seed=2, points=(98,), width=WIDTH)
    export(root)
    write_golden(root)


def make_permuted(root: Path) -> None:
    """Permuted AU outputs, no landmarks, and the real detector where it is at hand."""
    from of3.export.standin import write_root

    write_root(root, seed=3, points=(), au_order=PERMUTED, width=WIDTH)
    if SHARED_ROOT.exists():
        shutil.copy(SHARED_ROOT / "weights" / "Alignment_RetinaFace.pth", root / "weights")
    export(root)


MAKERS = {"standin": make_standin, "permuted": make_permuted}


def export(root: Path) -> None:
    from of3.export.cli import main

    assert main(["--of3_root", str(root), "--force"]) == 0


def write_golden(root: Path) -> None:
    """Inputs of three pictures and what the PyTorch modules make of them."""
    import torch

    from of3.export.checkpoints import load_all
    from of3.export.models import models_in
    from of3.export.pictures import read_pictures
    from of3.export.verify import to_input

    arrays: dict[str, Any] = {}
    pictures = read_pictures(root / "images", 16)[-3:]
    for model in models_in(root / "weights", None):
        module = model.make().eval()
        load_all({root / "weights" / model.file: module})
        batch = torch.stack([to_input(model, picture, model.example[2:]) for picture in pictures])
        with torch.inference_mode():
            values = module(batch)
        arrays[f"{model.name}/input"] = batch.numpy()
        outputs = values if isinstance(values, tuple) else (values,)
        for output, value in zip(model.outputs, outputs, strict=True):
            arrays[f"{model.name}/{output.name}"] = value.numpy()
    np.savez(root / "golden.npz", **arrays)


def make_roots(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with ProcessPoolExecutor(2, get_context("spawn"), initializer=one_thread) as pool:
        made = [pool.submit(make, folder / name) for name, make in MAKERS.items()]
        for each in made:
            each.result()
    (folder / "sources.sha256").write_text(sources_digest())


@pytest.fixture(scope="session")
def roots(tmp_path_factory):
    """Folder that holds `standin` and `permuted`."""
    folder = Path(os.environ.get("OF3_TEST_ROOT") or tmp_path_factory.mktemp("roots") / "roots")
    stamp = folder / "sources.sha256"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # several processes run tests
        if not stamp.exists() or stamp.read_text() != sources_digest():
            make_roots(folder)
    return folder


@pytest.fixture(scope="session")
def standin_root(roots):
    return roots / "standin"


@pytest.fixture(scope="session")
def permuted_root(roots):
    return roots / "permuted"


@pytest.fixture(scope="session")
def bundle_folder(standin_root):
    return standin_root / "weights" / "of3_bundle"


@pytest.fixture(scope="session")
def shared_root():
    if not SHARED_ROOT.exists():
        pytest.skip(f"the real detector and faces are not at hand: no {SHARED_ROOT}")
    return SHARED_ROOT


@pytest.fixture
def bundle_copy(bundle_folder, tmp_path):
    """A bundle of hard links: its files may be replaced, not written into."""
    folder = tmp_path / "of3_bundle"
    folder.mkdir()
    for path in bundle_folder.iterdir():
        if path.suffix == ".json":
            shutil.copy(path, folder)
        else:
            os.link(path, folder / path.name)
    return folder


@pytest.fixture(scope="session")
def browser():
    """A real one, in which a page is shown."""
    from tools.browser import NAMES, chromium, open_browser

    executable = chromium()
    if executable is None:
        pytest.skip(f"no Chromium here: none of {', '.join(NAMES)}")
    with open_browser(executable) as opened:
        yield opened
