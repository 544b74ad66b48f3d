"""The same work on a real Ray cluster, started here on loopback and stopped."""

import csv
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from of3.engines.manifest import read_bundle
from of3.runtime.commands.flags import parse
from of3.runtime.runs.shards import cluster, shipment
from of3.runtime.types import RunError

RAY = ("--executor", "ray", "--workers", "2")
PORT = 9379
CAN_HIDE = os.geteuid() == 0 and shutil.which("unshare") is not None  # of folders, in a name space of their own

pytest.importorskip("ray", reason="Ray is an extra: pip install 'of3[ray]'")
pytestmark = pytest.mark.usefixtures("ray_alone_in_module")


def call(command, **named):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **named)


def without(folder, words):
    """A command that finds a folder empty, where this can be had."""
    hide = f"mount -t tmpfs none {shlex.quote(str(folder))} && exec {shlex.join(words)}"
    return ["unshare", "--mount", "sh", "-c", hide] if CAN_HIDE else words


def actors():
    """Processes that are an actor of ours, of any cluster here."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::Actor" in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def quiet():
    return {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}


def with_token():
    return {**quiet(), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 40}


def ray_command(*words):
    return [sys.executable, "-m", "ray.scripts.scripts", *words]


@contextmanager
def machine(port, cpus, *where, see=lambda words: words):
    """A Ray machine that ends with the block, and its process."""
    words = ["start", *where, "--block", "--node-ip-address", "127.0.0.1", "--num-cpus", str(cpus)]
    if "--head" in where:
        words += ["--port", str(port), "--include-dashboard", "false"]
    words += ["--object-store-memory", str(256 << 20), "--disable-usage-stats"]
    process = subprocess.Popen(
        see(ray_command(*words)), env=with_token(), stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        count = f"import ray; ray.init('127.0.0.1:{port}', logging_level='ERROR'); print(len(ray.nodes()))"
        wanted, deadline = "1" if "--head" in where else "2", time.monotonic() + 180
        while (
            not is_open(port) or call([sys.executable, "-c", count], env=with_token()).stdout.strip() != wanted
        ):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()


def is_open(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_two_actors_write_what_one_process_does(many, standin_root, tmp_path, undisturbed, files, command):
    """A cluster of the run's own, without dashboard, gone afterwards."""
    done = call(command(many, standin_root, tmp_path, *RAY), env=quiet())
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "openface3") == undisturbed
    assert "done 270, failed 30 (unreadable 30)" in done.stderr
    deadline = time.monotonic() + 20
    while actors():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize("noted", ["", "127.0.0.1:9"])
def test_no_cluster_is_an_error_that_says_what_to_do(many, standin_root, tmp_path, command, noted):
    """Also where one that has died left its address."""
    place = Path("/tmp/ray/ray_current_cluster")
    place.unlink(missing_ok=True)
    if noted:
        place.parent.mkdir(exist_ok=True)
        place.write_text(noted)
    done = call(command(many, standin_root, tmp_path, *RAY, "--ray_address", "auto"), env=quiet())
    assert done.returncode == 2, done.stderr
    assert "start a cluster with `ray start --head`" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_that_does_not_answer_is_an_error_at_once(many, standin_root, tmp_path, command):
    start = time.monotonic()
    done = call(command(many, standin_root, tmp_path, *RAY, "--ray_address", "127.0.0.1:9"), env=quiet())
    assert done.returncode == 2
    assert "127.0.0.1:9: [Errno 111] Connection refused: start a cluster" in done.stderr
    assert time.monotonic() - start < 15


@pytest.mark.long
def test_a_picture_that_ends_its_actor_costs_its_own_row(aligned, standin_root, tmp_path, faulty, command):
    import cv2

    pixels = cv2.imread(str(aligned / "face_0.png"))
    assert pixels is not None
    content = cv2.imencode(".jpg", pixels)[1].tobytes()
    (aligned / "face_4.jpg").write_bytes(content + b"segfault")
    done = call(
        command(aligned, standin_root, tmp_path / "logs", *RAY),
        env={**faulty, **quiet(), "PYTHONPATH": faulty["PYTHONPATH"]},
    )
    assert done.returncode == 0, done.stderr
    out = tmp_path / "logs" / "openface3"
    with (out / "openface3.csv").open(newline="") as file:
        success = {row["file"]: row["success"] for row in csv.DictReader(file)}
    assert sorted(name for name, good in success.items() if good == "0") == ["broken.jpg", "face_4.jpg"]
    assert len(success) == 6  # of seven rows, two of one name
    assert "killed its worker 3 times: " in (out / "errors.tsv").read_text()


@pytest.mark.long
def test_a_machine_that_is_lost_costs_no_row(
    many, standin_root, bundle_folder, tmp_path, undisturbed, files, command
):
    """Two machines of one core each, as Ray sees it.  The second does not see the weights: its bundle comes
    through Ray's object store."""
    fetched = Path(tempfile.gettempdir()) / f"of3-bundles-{os.getuid()}" / read_bundle(bundle_folder).digest
    shutil.rmtree(fetched, ignore_errors=True)
    port = PORT + 1
    where, hidden = f"127.0.0.1:{port}", lambda words: without(standin_root / "weights", words)
    with machine(port, 1, "--head"), machine(port, 1, "--address", where, see=hidden) as second:
        flags = (*RAY, "--ray_address", where)
        with subprocess.Popen(
            command(many, standin_root, tmp_path, *flags), env=with_token(), stderr=subprocess.PIPE, text=True
        ) as process:
            while not (fetched if CAN_HIDE else tmp_path / "openface3" / "plan").is_dir():
                assert process.poll() is None
                time.sleep(0.02)
            os.killpg(second.pid, signal.SIGKILL)
            said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    assert files(tmp_path / "openface3") == undisturbed
    assert fetched.is_dir() == CAN_HIDE


@pytest.fixture(scope="module")
def address():
    """A cluster on loopback whose clients need its token; tests that want none or another come before."""
    with machine(PORT, 2, "--head"):
        yield f"127.0.0.1:{PORT}", with_token()


@pytest.mark.long
def test_a_cluster_that_is_there_is_used_with_its_token(
    many, standin_root, tmp_path, undisturbed, files, command, address
):
    where, environment = address
    done = call(command(many, standin_root, tmp_path, *RAY, "--ray_address", where), env=environment)
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "openface3") == undisturbed
    assert json.loads((tmp_path / "openface3" / "run.json").read_text())["flags"]["ray_address"] == where
    other = {**environment, "RAY_AUTH_TOKEN": "b" * 40}
    refused = call(command(many, standin_root, tmp_path / "other", *RAY, "--ray_address", where), env=other)
    assert refused.returncode == 2, refused.stderr
    assert not list((tmp_path / "other").rglob("*.csv"))


@pytest.mark.long
def test_a_signal_keeps_what_is_done(
    more, standin_root, tmp_path, undisturbed_more, files, command, at_work, address
):
    where, environment = address
    flags = (*RAY, "--shard_size", "750", "--ray_address", where)
    process = subprocess.Popen(
        command(more, standin_root, tmp_path, *flags), stderr=subprocess.PIPE, text=True, env=environment
    )
    plan = tmp_path / "openface3" / "plan"
    at_work(tmp_path)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 143, said
    assert list(plan.rglob("*.done")), said
    assert call(command(more, standin_root, tmp_path, *flags), env=environment).returncode == 0
    assert files(tmp_path / "openface3") == undisturbed_more


@pytest.mark.long
@pytest.mark.parametrize("whom", ["driver", "actors"])
def test_killed_at_its_work_nothing_is_lost_repeated_or_torn(
    more, standin_root, tmp_path, undisturbed_more, command, address, killed_and_run_again, whom
):
    where, environment = address
    again = command(more, standin_root, tmp_path, *RAY, "--ray_address", where)
    victims = None if whom == "driver" else lambda _: actors()
    killed_and_run_again(again, tmp_path / "openface3", undisturbed_more, victims, environment)


# -- who works where, and with which bundle -----------------------------------------------------------------


def options(*flags):
    return parse(["--aligned", "a", "--logs", "b", "--of3_root", "c", *flags], "x").options()


def test_an_actor_a_gpu_or_a_core_elsewhere():
    machines = [{"CPU": 32.0, "GPU": 4.0, "memory": 1e12}, {"CPU": 10.0, "memory": 5.5 * 2**30}]
    assert cluster.needs_of(machines, options()) == [
        *[{"num_cpus": 8.0, "num_gpus": 1.0}] * 4,
        *[{"num_cpus": 2.0}] * 5,
    ]
    assert (
        cluster.needs_of(machines, options("--device", "cpu"))
        == [{"num_cpus": 1.0}] * 32 + [{"num_cpus": 2.0}] * 5
    )
    assert cluster.needs_of(machines, options("--workers", "3")) == [{"num_cpus": 10.0, "num_gpus": 1.0}] * 3
    assert cluster.needs_of([{"CPU": 2.0}], options("--workers", "2")) == [{"num_cpus": 1.0}] * 2
    with pytest.raises(RunError, match="no machine of the cluster has a GPU or a CPU to give"):
        cluster.needs_of([{"memory": 1.0}], options())


def test_a_bundle_comes_once_a_machine_and_is_checked(standin_root, bundle_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    here = options("--of3_root", str(standin_root))
    digest, fetched = read_bundle(bundle_folder).digest, []

    def fetch():
        fetched.append(1)
        return shipment.bundle_files(here)

    assert shipment.located(here, digest, fetch) == here
    away = options("--of3_root", str(tmp_path / "not here"))
    for _ in range(2):
        found = shipment.located(away, digest, fetch)
        assert read_bundle(found.bundle).digest == digest
        assert len(list((found.of3_root / "images" / "au").iterdir())) == 8
    assert fetched == [1]
    with pytest.raises(RunError, match=f"got a bundle of digest {digest}, want 0000, as where the run began"):
        shipment.located(here, "0000", fetch)


def test_a_lost_actor_is_told_in_one_line():
    message = "The actor died early.\n\tclass_name: Actor\nWorker exit detail: Worker exits. EOF.\n\tmore"
    assert cluster.reason_of(message) == "The actor died early. Worker exits. EOF."
    assert cluster.reason_of("") == "the actor died"
