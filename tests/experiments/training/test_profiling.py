"""Profiles of a run."""

import jax
import pytest

from experiments.training import profiling
from experiments.training import trainer
from tests.helpers import tiny_runs


def profiles(folder):
  return sorted(folder.glob("plugins/profile/*/*.xplane.pb"))


def test_a_run_is_profiled_and_is_the_same(tmp_path, capsys):
  one, other = tmp_path / "profiled", tmp_path / "plain"
  trainer.train(tiny_runs.experiment(profile=3), one)
  trainer.train(tiny_runs.experiment(), other)
  assert tiny_runs.losses(one) == tiny_runs.losses(other)
  (profile,) = profiles(one)
  steps = jax.profiler.ProfileData.from_file(str(profile)).find_plane_with_name(
    "/host:CPU"
  )
  names = [
    event.name
    for line in steps.lines
    for event in line.events
    if event.name == "train"
  ]
  assert len(names) == 3
  assert f"profile: {one}" in capsys.readouterr().err
  assert not profiles(other)
  # The setting may be another one when a run goes on.
  trainer.train(tiny_runs.experiment(profile=1), other)


def test_an_error_ends_the_profile_and_is_raised(tmp_path):
  calls = []

  def step(number):
    calls.append(number)
    if number == 3:
      raise RuntimeError("the step's own")
    return jax.numpy.zeros(())

  def run():
    with profiling.profiled(step, 100, tmp_path) as profiled:
      for number in range(9):
        profiled(number)

  with pytest.raises(RuntimeError, match="the step's own"):
    run()
  assert calls == [0, 1, 2, 3]
  assert profiles(tmp_path)
  # Another one can begin.
  with profiling.profiled(lambda: jax.numpy.zeros(()), 1, tmp_path) as profiled:
    for _ in range(3):
      profiled()


def test_a_profile_is_not_worth_a_run(tmp_path, capsys):
  file = tmp_path / "file"
  file.touch()
  with profiling.profiled(lambda: jax.numpy.ones(()), 1, file) as profiled:
    assert [float(profiled()) for _ in range(4)] == [1, 1, 1, 1]
  assert "No profile is written: " in capsys.readouterr().err
