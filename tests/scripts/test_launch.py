"""Recipes for schedulers, tried with commands that stand in for theirs."""

import os
import pathlib
import subprocess

import pytest
import yaml

from experiments import train
from experiments.cli import arguments as cli_arguments
from tests.helpers import folders

LAUNCH = folders.ROOT / "scripts" / "launch"
SCRIPTS = sorted(LAUNCH.glob("*.sh"))
RUN = ["digits", "--mini", "--workdir", "/shared/a run"]

# Writes its name and arguments, one a line.
_FAKE = """#!/usr/bin/env bash
{ echo "== $(basename "$0")"; printf '%s\\n' "$@"; } >> "$CALLS"
"""
# Its task sends the warning of the time limit, and waits for the answer.
_SRUN = """
echo "ids=${JAX_LOCAL_DEVICE_IDS:-}" >> "$CALLS"
if [[ -n "${LIMIT:-}" ]]; then
  kill -USR1 "$PPID"
  until [[ -e "$SIGNALLED" ]]; do /bin/sleep 0.01; done
fi
exit "${CODE:-0}"
"""
_SCANCEL = 'touch "$SIGNALLED"\n'
# Lets the TPU be taken away while the first command runs.
_GCLOUD = """
case "$4" in
  describe) cat "$STATE" ;;
  create) echo READY > "$STATE" ;;
  delete) echo GONE > "$STATE" ;;
  ssh)
    code="$(head -1 "$CODES")"
    sed -i 1d "$CODES"
    [[ "$code" != preempted ]] || { echo PREEMPTED > "$STATE"; code=255; }
    exit "$code" ;;
esac
"""


@pytest.fixture
def fakes(tmp_path, monkeypatch):
  """Puts commands that stand in for a scheduler's into a folder of the PATH."""
  folder = tmp_path / "bin"
  folder.mkdir()
  for name, ending in {
    "srun": _SRUN,
    "scancel": _SCANCEL,
    "scontrol": "",
    "gcloud": _GCLOUD,
    "sleep": "exec /bin/sleep 0.01\n",  # the pauses of a loop
  }.items():
    (folder / name).write_text(_FAKE + ending)
    (folder / name).chmod(0o755)
  monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
  for name in ("CALLS", "SIGNALLED", "STATE", "CODES"):
    monkeypatch.setenv(name, str(tmp_path / name))
  monkeypatch.setenv("SLURM_JOB_ID", "7")
  monkeypatch.setenv("SLURM_SUBMIT_DIR", str(folders.ROOT))
  return tmp_path


def launch(script, *arguments, **environment):
  return subprocess.run(
    [str(LAUNCH / script), *arguments],
    env={**os.environ, **environment},
    capture_output=True,
    text=True,
    timeout=120,
  )


def calls(folder, name):
  """Returns the arguments of every call of a command."""
  text = (folder / "CALLS").read_text()
  found = [part.splitlines() for part in text.split("== ")[1:]]
  return [lines[1:] for lines in found if lines[0] == name]


def options(words):
  """Returns the options of a command that trains; fails if one is unknown."""
  return cli_arguments.select(train.Train, words, "train")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_form(script):
  subprocess.run(["bash", "-n", script], check=True)
  assert os.access(script, os.X_OK)
  assert "never run on a real" in script.read_text()


def test_slurm_goes_back_into_the_queue_at_the_time_limit(fakes):
  done = launch("slurm.sh", *RUN, LIMIT="yes", CODE="143")
  assert done.returncode == 143
  assert calls(fakes, "scancel") == [["--signal=USR1", "7"]]
  assert calls(fakes, "scontrol") == [["requeue", "7"]]


@pytest.mark.parametrize(
  ("limit", "code"), [("", "0"), ("", "143"), ("yes", "1"), ("yes", "0")]
)
def test_slurm_job_that_is_over_stays_out_of_the_queue(fakes, limit, code):
  done = launch("slurm.sh", *RUN, LIMIT=limit, CODE=code)
  assert done.returncode == int(code)
  assert calls(fakes, "scontrol") == []


@pytest.mark.parametrize(
  ("tasks", "gpus", "ids"),
  [("8", "8", ""), ("1", "8", "0,1,2,3,4,5,6,7"), ("1", "1", "")],
)
def test_slurm_tasks_have_all_gpus_between_them(fakes, tasks, gpus, ids):
  done = launch(
    "slurm.sh", *RUN, SLURM_NTASKS_PER_NODE=tasks, SLURM_GPUS_ON_NODE=gpus
  )
  assert done.returncode == 0, done.stderr
  (words,) = calls(fakes, "srun")
  assert words[-1] == f"ids={ids}"
  start = words.index("experiments.train") + 1
  found = options(words[start:-1])
  assert found.distributed.detect
  assert found.workdir == pathlib.Path("/shared/a run")


def test_tpu_pod(fakes):
  (fakes / "CODES").write_text("0\n")
  assert launch("tpu_pod.sh", "pod", "zone", *RUN).returncode == 0
  (words,) = calls(fakes, "gcloud")
  assert words[:5] == ["compute", "tpus", "tpu-vm", "ssh", "pod"]
  assert "--worker=all" in words
  (command,) = (x for x in words if x.startswith("--command="))
  shown = command.partition("exec ")[2].replace(
    ".venv/bin/python -m experiments.train", "printf '%s\\n'"
  )
  shell = subprocess.run(
    ["bash", "-c", shown], check=True, capture_output=True, text=True
  )
  found = options(shell.stdout.splitlines())
  assert found.distributed.detect
  assert found.workdir == pathlib.Path("/shared/a run")


def test_preemptible_tpu_is_made_anew(fakes):
  (fakes / "STATE").write_text("MISSING\n")
  (fakes / "CODES").write_text("0\npreempted\n0\n1\n1\n0\n")
  (fakes / "setup.sh").write_text("mount -a\n")
  done = launch(
    "preemptible_tpu.sh",
    *("pod", "zone", *RUN),
    TYPE="v4-32",
    VERSION="base",
    SETUP=str(fakes / "setup.sh"),
  )
  assert done.returncode == 0, done.stderr
  verbs = [words[3] for words in calls(fakes, "gcloud")]
  assert verbs.count("create") == 2
  assert verbs.count("ssh") == 6  # two of them to set the machines up
  assert "was taken away" in done.stderr


def test_preemptible_run_that_fails_ends_the_loop(fakes):
  (fakes / "STATE").write_text("READY\n")
  (fakes / "CODES").write_text("1\n1\n1\n0\n")
  done = launch(
    "preemptible_tpu.sh", "pod", "zone", *RUN, TYPE="v4-32", VERSION="base"
  )
  assert done.returncode == 1
  assert "failed three times" in done.stderr
  assert (fakes / "CODES").read_text() == "0\n"


@pytest.mark.parametrize("script", ["tpu_pod.sh", "preemptible_tpu.sh"])
def test_usage(script):
  done = launch(script)
  assert done.returncode == 2
  assert f"scripts/launch/{script}" in done.stderr
  assert "NAME ZONE EXPERIMENT" in done.stderr


def test_gke_job():
  text = (LAUNCH / "gke_job.yaml").read_text()
  assert "never run on a real cluster" in text
  service, job = yaml.safe_load_all(text)
  name, pod = job["metadata"]["name"], job["spec"]["template"]["spec"]
  assert service["spec"]["selector"] == {"job-name": name}
  assert pod["subdomain"] == service["metadata"]["name"]
  assert job["spec"]["completionMode"] == "Indexed"
  assert job["spec"]["parallelism"] == job["spec"]["completions"]
  (container,) = pod["containers"]
  mounts = {x["name"]: x["mountPath"] for x in container["volumeMounts"]}
  assert set(mounts) == {x["name"] for x in pod["volumes"]}
  assert mounts["memory"] == "/dev/shm"
  shown = container["args"][0].replace(
    "exec python -m experiments.train", "printf '%s\\n'"
  )
  shell = subprocess.run(
    [*container["command"], shown],
    env={**os.environ, "JOB_COMPLETION_INDEX": "1"},
    check=True,
    capture_output=True,
    text=True,
  )
  found = options(shell.stdout.splitlines())
  assert found.distributed.num_processes == job["spec"]["completions"]
  assert found.distributed.process_id == 1
  host, port = found.distributed.address()
  assert host == f"{name}-0.{pod['subdomain']}"
  assert port == container["ports"][0]["containerPort"]
  assert found.workdir.is_relative_to(mounts["shared"])
