"""Real sessions of onnxruntime's CUDA provider, on libraries that pretend to be CUDA: see
cuda_stub/behaviour.c.

OF3_ORT_GPU names a folder with the package onnxruntime-gpu in it (`pip install --no-deps --target`), which
cannot be in one environment with onnxruntime: what is tried with it runs in a process of its own.  tools/check
--long makes that folder.
"""

import mmap
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

BEHAVIOUR = Path(__file__).with_name("cuda_stub") / "behaviour.c"
PROVIDER = Path("onnxruntime", "capi", "libonnxruntime_providers_cuda.so")
REPOSITORY = Path(__file__).resolve().parents[2]
HERE = re.compile(r"^(?:static )?(?:int|size_t|void|const char \*) ?\*?(\w+)\(", re.MULTILINE)
IS_CUDNN = re.compile(rb"cudnn[A-Z]\w+(?=\0)")
# Loaded by their name, and found by the functions that the provider asks them for.
OTHERS = {
    "libcudnn.so.9": (),
    "libcurand.so.10": ("curandNothing",),
    "libcuda.so.1": ("cuTensorMapEncodeTiled",),
}
MAKES = "int {name}(void **made) {{ static char one[4096]; *made = one; return 0; }}"
PASSES = "int {name}(void) {{ return 0; }}"


def needed_by(provider):
    """The functions that a library is linked with, by the library they are of: libcudart.so.13 ->
    cudaMalloc, ...
    """
    listed = subprocess.run(
        ["nm", "-D", "--undefined-only", provider], capture_output=True, text=True, check=True
    )
    needed = defaultdict(set)
    for name, library in re.findall(r"U (\w+)@(lib\w+\.so\.\d+)$", listed.stdout, re.MULTILINE):
        needed[library].add(name)
    return needed


def source_of(library, names):
    """C of a library: what behaves, then nothing but success for the rest of the names."""
    behaves = set(HERE.findall(BEHAVIOUR.read_text()))
    lines = [f"#define LIBRARY_{library[3:].split('.')[0]}", f'#include "{BEHAVIOUR}"']
    for name in sorted(set(names) - behaves):
        lines.append((MAKES if re.search("Create", name) else PASSES).format(name=name))
    return "\n".join(lines) + "\n"


def build(folder, library, names):
    """One stub, under its library's name and, as the linker wants it, with its version."""
    source, versions = folder / f"{library}.c", folder / f"{library}.map"
    source.write_text(source_of(library, names))
    versions.write_text(f"{library} {{ global: *; }};\n")
    flags = ["-w", "-O1", "-shared", "-fPIC", f"-Wl,-soname,{library}", f"-Wl,--version-script={versions}"]
    subprocess.run(["cc", *flags, "-o", folder / library, source], check=True)


@pytest.fixture(scope="session")
def ort_gpu():
    """Where onnxruntime-gpu is."""
    folder = Path(os.environ.get("OF3_ORT_GPU", ""))
    if not os.environ.get("OF3_ORT_GPU") or not (folder / PROVIDER).exists():
        pytest.skip(f"OF3_ORT_GPU holds no {PROVIDER}: tools/check --long puts it there")
    return folder


@pytest.fixture(scope="session")
def cuda_stub(ort_gpu, tmp_path_factory):
    """A folder of libraries that pretend to be CUDA."""
    if shutil.which("cc") is None or shutil.which("nm") is None:
        pytest.skip("no C compiler (cc, nm) here, which the stub of CUDA needs")
    provider, folder = ort_gpu / PROVIDER, tmp_path_factory.mktemp("cuda_stub")
    with provider.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        cudnn = {name.decode() for name in IS_CUDNN.findall(content)}
    libraries = {**OTHERS, **needed_by(provider)}
    for library, names in {**libraries, "libcudnn.so.9": cudnn}.items():
        build(folder, library, names)
    return folder


@pytest.fixture(scope="session")
def on_stub(cuda_stub, ort_gpu):
    """(code, arguments) -> what it prints, run where onnxruntime-gpu finds the stub."""

    def run(code, *arguments, **environment):
        paths = [
            str(ort_gpu),
            str(REPOSITORY / "tools" / "typing"),
            *filter(None, [os.environ.get("PYTHONPATH")]),
        ]
        given = {
            **os.environ,
            "LD_LIBRARY_PATH": str(cuda_stub),
            "PYTHONPATH": os.pathsep.join(paths),
            **environment,
        }
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return run
