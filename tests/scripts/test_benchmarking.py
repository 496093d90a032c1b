"""The benchmark: jobs in turn, measurements, tables and the command."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

import perceiver
from scripts.benchmarking import cases
from scripts.benchmarking import comparison
from scripts.benchmarking import job as benchmarking_job
from scripts.benchmarking import ours
from scripts.benchmarking import sweep
from scripts.benchmarking import worker
from tests.helpers import folders
from tests.helpers import tiny_networks

ROOT = folders.ROOT


def make_job(**changes):
  fields = {
    "implementation": benchmarking_job.Implementation.OURS,
    "computation": benchmarking_job.Computation.FORWARD,
    "case": "small",
    "batch_size": 3,
  }
  return benchmarking_job.Job(**(fields | changes))


@pytest.fixture
def small_case(monkeypatch):
  config = tiny_networks.classifier_config()
  case = cases.Case(name="imagenet_fourier", batch_size=3, inputs=cases._floats)
  monkeypatch.setitem(cases.CASES, "small", case)
  monkeypatch.setattr(
    cases.Case,
    "model",
    lambda self, size, precision, *, reference: perceiver.Model(
      config, reference=reference
    ),
  )


@pytest.mark.parametrize("computation", list(benchmarking_job.Computation))
def test_one_measurement(small_case, computation):
  measurement = ours.Measurement(make_job(computation=computation))
  assert measurement.run() > 0
  facts = measurement.facts()
  flops = make_job().model().num_flops(3)
  if computation is benchmarking_job.Computation.FORWARD:
    assert facts["operations"] == flops
    assert measurement.outputs().shape == (3 * 3,)
  else:
    assert facts["operations"] > 2 * flops
    assert not measurement.outputs().size
  assert facts["argument_bytes"] >= 3 * 8 * 8 * 4
  assert facts["compile_seconds"] > 0


def test_the_reference_gives_the_same_outputs(small_case):
  found = []
  kinds = benchmarking_job.Implementation
  for kind in (kinds.OURS, kinds.REFERENCE):
    measurement = ours.Measurement(make_job(implementation=kind))
    measurement.run()
    found.append(measurement.outputs())
  assert np.abs(found[0]).max() > 0.1
  np.testing.assert_allclose(*found, atol=1e-5)


def test_every_case_has_inputs_that_its_model_takes():
  for name, case in cases.CASES.items():
    model = case.model()
    assert model == perceiver.create(name)
    inputs = case.inputs(model.config, 1, np.random.default_rng(0))
    for x, example in zip(inputs, model.config.example(1), strict=True):
      if isinstance(example, dict):
        assert {n: a.shape for n, a in x.items()} == {
          n: a.shape for n, a in example.items()
        }
      else:
        assert (x.shape, x.dtype) == (example.shape, example.dtype)


@pytest.mark.parametrize(
  ("name", "size", "shape"),
  [
    ("imagenet_fourier", (32, 48), (1, 32, 48, 3)),
    ("optical_flow", (40, 56), (1, 2, 40, 56, 3)),
    ("language_bytes", (512,), (1, 512)),
  ],
)
def test_other_sizes(name, size, shape):
  model = cases.CASES[name].model(size)
  assert model.config.example(1)[0].shape == shape


def test_a_size_that_cannot_be_is_refused():
  with pytest.raises(ValueError, match="one size only"):
    cases.CASES["video_autoencoding"].model((8, 8))
  with pytest.raises(ValueError, match="height and width"):
    cases.CASES["optical_flow"].model((8,))


class FakeWorker:
  """Records requests instead of measuring."""

  def __init__(self, job, log):
    self.job, self.log = job, log

  def first_seconds(self):
    if self.job.batch_size == 2:
      raise worker.WorkerError("2 is not there")
    return 9.0

  def request(self, name):
    self.log.append(f"{self.job.batch_size} {name}")
    responses = {
      "run": float(len(self.log)),
      "outputs": [3.0, 4.0 + 5e-3 * (self.job.batch_size - 1)],
      "facts": {"peak_bytes": 3e9, "resting_bytes": 1e9, "operations": 6e9},
    }
    return responses[name]

  def stop(self):
    self.log.append(f"{self.job.batch_size} stop")


def squeezed(table):
  """Returns a table without the padding of its columns."""
  return re.sub(" +", " ", table)


def test_jobs_take_turns():
  log, reported = [], []
  jobs = [make_job(batch_size=n) for n in (1, 2, 3)]
  rows = comparison.compare(
    jobs, 3, reported.append, lambda job: FakeWorker(job, log)
  )
  assert reported == ["2 is not there"]
  assert log[:6] == ["1 run", "3 run"] * 3
  assert sorted(log[-3:]) == ["1 stop", "2 stop", "3 stop"]
  assert [row.seconds for row in rows] == [(1, 3, 5), (2, 4, 6)]
  assert [row.difference for row in rows] == [None, pytest.approx(2e-3)]
  table = comparison.table(rows, rate=4e9)
  assert (
    "| small, batch 1 | forward | ours | 3 | 1–5 | | | 2.00 | 6 | 50% | |"
    in squeezed(table)
  )
  assert json.loads(json.dumps(rows[1].to_dict()))["median_seconds"] == 4


def test_a_process_that_dies_is_reported():
  found = worker.Worker(make_job(case="nonsense"))
  with pytest.raises(worker.WorkerError, match=r"could not measure nonsense"):
    found.first_seconds()
  found.stop()


def test_temporaries_do_not_grow_with_the_long_side(tmp_path):
  for side in sweep.Side:
    points = [sweep.measure(side, count, 1) for count in (4096, 8192)]
    # A result as long as the queries is no temporary; masks and sums are.
    grown = points[1].temporary_bytes - points[0].temporary_bytes
    assert grown < 4096 * 16
    assert points[1].argument_bytes - points[0].argument_bytes == 4096 * 322 * 4
  sweep.write(points, tmp_path)
  assert (tmp_path / "sweep_outputs.png").stat().st_size > 5000
  assert "| 8,192 |" in squeezed(sweep.table(points))


def test_the_command(tmp_path):
  command = [sys.executable, "-m", "scripts.benchmark", "--cases"]
  command += ["language_bytes", "--size", "16", "--computations", "forward"]
  command += [
    "--implementations",
    "ours",
    "--repeats",
    "1",
    "--output",
    str(tmp_path),
  ]
  done = subprocess.run(
    command, cwd=ROOT, capture_output=True, text=True, check=True
  )
  cells = "| language_bytes 16, batch 1 | forward | ours |"
  assert cells in squeezed(done.stdout)
  (row,) = json.loads((tmp_path / "benchmark.json").read_text())["rows"]
  assert row["size"] == [16]
  assert row["median_seconds"] > 0


def test_a_command_that_makes_no_sense():
  command = [sys.executable, "scripts/benchmark.py", "--cases"]
  command += ["video_autoencoding", "--size", "3"]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 2
  assert "one size only" in done.stderr
