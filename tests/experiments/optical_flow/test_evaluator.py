"""Frames of any size are evaluated one by one."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments.data import files
from experiments.data import loader
from experiments.optical_flow import evaluator
from experiments.optical_flow.benchmarks import datasets
from experiments.optical_flow.benchmarks import flow_files
from experiments.training import evaluation
import perceiver
from tests.helpers import noise
from tests.helpers import tiny_flow

CONFIG = evaluator.EvaluationConfig(min_overlap=4)


@pytest.fixture(scope="module")
def model():
  return perceiver.create(tiny_flow.model_config())


@pytest.fixture(scope="module")
def variables(model):
  """Variables whose flow is (2, -1) pixels everywhere."""
  variables = model.init(jax.random.key(0))
  (name,) = (
    module
    for module, entries in variables.params.items()
    if entries.get("b", np.zeros(0)).shape == (2,)
  )
  params = dict(variables.params)
  constant = np.array([2.0, -1.0]) / model.config.pixels_per_unit
  params[name] = {**params[name], "b": constant.astype(np.float32)}
  return variables._replace(params=params)


def make(model, source, config=CONFIG, dataset=datasets.Dataset.SYNTHETIC):
  split = loader.Split(source, lambda example, generator: {}, "translations")
  return evaluator.Evaluator(
    model=model, split=split, dataset=dataset, config=config
  )


@pytest.mark.parametrize(
  "size", [(16, 24), (40, 30), (17, 70), (9, 30), (12, 11)]
)
def test_constant_flow_stays_constant_at_any_size(model, variables, size):
  find = evaluator.flow_function(model, variables, CONFIG)
  flow = find(np.zeros((2, *size, 3), np.uint8))
  assert flow.dtype == np.float32
  expected = np.broadcast_to([2.0, -1.0], (*size, 2))
  np.testing.assert_allclose(flow, expected, atol=1e-5)


def test_frames_of_the_models_size_go_through_it_whole(model):
  variables = noise.variables(model)
  frames = tiny_flow.Translations()[0].frames
  flow = evaluator.flow_function(model, variables, CONFIG)(frames)
  expected = model.apply(variables, frames[None].astype(np.float32) / 127.5 - 1)
  np.testing.assert_allclose(flow, expected[0], rtol=1e-4, atol=1e-5)
  assert np.ptp(flow) > 0.05


@pytest.mark.parametrize("even", [True, False])
def test_tiles_are_the_papers_unless_the_colabs_are_wanted(even, monkeypatch):
  """Of Sintel's 436 × 1024 pixels, with the released model's tiles."""
  model = perceiver.create("optical_flow")
  starts = set()

  def apply(self, variables, frames):
    starts.add(int(frames[0, 0, 0, 0, 0]))
    return np.zeros((1, *frames.shape[2:4], 2), np.float32)

  monkeypatch.setattr(perceiver.Model, "apply", apply)
  # Frames whose values are their columns, after scaling.
  columns = np.broadcast_to(np.arange(1024.0)[:, None], (2, 436, 1024, 3))
  scaled = ((columns + 1) * 127.5).astype(np.float32)
  config = evaluator.EvaluationConfig()
  if not even:
    config = dataclasses.replace(config, even_tiles=False)
  evaluator.flow_function(model, {}, config)(scaled)
  assert starts == ({0, 264, 528} if even else {0, 476, 528})


def test_errors_are_gathered(model, variables):
  source = tiny_flow.Translations(size=(20, 30), num_examples=5)
  seen = []
  found = make(model, source)(
    variables,
    evaluation.Watch(on_progress=lambda *counts: seen.append(counts)),
  )
  assert (found.examples, found.expected, found.skipped) == (5, 5, 0)
  assert found.split == "translations"
  # Their flow is (0, 1, 2, 0, 1) to the right.
  assert found.metrics["epe"] == pytest.approx(6 / 5, rel=1e-5)
  assert found.metrics["fl_all"] == 0
  assert seen == [(i, 5) for i in range(1, 6)]
  assert not found.details


def test_baselines_stand_in_a_table(model, variables):
  pytest.importorskip("cv2")
  source = tiny_flow.Translations(size=(20, 30), num_examples=2)
  config = dataclasses.replace(CONFIG, baselines=True)
  found = make(model, source, config)(variables)
  (table,) = found.details
  assert table.header[1:] == ("model", "zero", "dis", "farneback")
  name, own, zero, *_ = table.rows[0]
  assert (name, own) == ("epe", "1.5000")
  assert float(zero) == pytest.approx((1 + np.sqrt(2)) / 2, abs=1e-4)


def test_tables():
  found = evaluator.table({"a": {"epe": 1.0, "x": 22.5}, "long": {"epe": 0.25}})
  assert str(found).splitlines()[1:] == [
    "metric          a    long",
    "epe        1.0000  0.2500",
    "x         22.5000       –",
  ]


class _Damaged(tiny_flow.Translations):
  """The second example cannot be read."""

  def __getitem__(self, index):
    if index == 1:
      raise files.InputError("frame_0002.png is not a readable image")
    return super().__getitem__(index)


def test_what_cannot_be_read_stops_everything(model, variables):
  with pytest.raises(files.InputError, match=r"frame_0002\.png"):
    make(model, _Damaged())(variables)


def test_what_cannot_be_read_is_skipped_on_demand(model, variables, capsys):
  config = dataclasses.replace(CONFIG, skip_unreadable=True)
  found = make(model, _Damaged(), config)(variables)
  assert (found.examples, found.skipped, found.expected) == (7, 1, 8)
  assert "7 of 8 examples of translations, 1 unreadable" in found.describe()
  assert "skipped: frame_0002.png" in capsys.readouterr().err


def test_it_can_be_given_up(model, variables):
  with pytest.raises(evaluation.Abandoned):
    make(model, tiny_flow.Translations())(
      variables, evaluation.Watch(should_stop=lambda: True)
    )


def test_flow_that_is_not_finite_is_an_error(model, variables):
  broken = jax.tree.map(lambda x: x * np.float32("nan"), variables)
  with pytest.raises(files.InputError, match="is the checkpoint in order"):
    make(model, tiny_flow.Translations())(broken)


class _Named(tiny_flow.Translations):
  """Examples with names like Sintel's."""

  def __getitem__(self, index):
    name = f"alley_1/frame_{index + 1:04d}"
    return dataclasses.replace(super().__getitem__(index), name=name)


def test_flow_is_written_for_submission(model, variables, tmp_path):
  config = dataclasses.replace(CONFIG, submission_dir=tmp_path / "flow")
  sintel = datasets.Dataset.SINTEL_CLEAN
  make(model, _Named(num_examples=2), config, sintel)(variables)
  folder = tmp_path / "flow" / "clean" / "alley_1"
  names = sorted(path.name for path in folder.iterdir())
  assert names == ["frame0001.flo", "frame0002.flo"]
  flow = flow_files.read_flo(folder / "frame0001.flo")
  expected = np.broadcast_to([2.0, -1.0], (*tiny_flow.SIZE, 2))
  np.testing.assert_allclose(flow, expected, atol=1e-5)


def test_robustness_compares_with_what_was_published(model, variables):
  source = tiny_flow.Translations(size=(202, 204), num_examples=1)
  config = dataclasses.replace(CONFIG, robustness=True)
  found = make(model, source, config)(variables)
  (table,) = found.details
  rows = {name: numbers for name, *numbers in table.rows}
  assert rows["Perceiver IO"][1] == "6086.99"
  # Flow that is the same whatever the frames are does not change.
  assert rows["this model"] == ["0.00", "0.00", "0.00", "0.00"]


def test_robustness_is_watched_and_skips_what_was_skipped(
  model, variables, capsys
):
  source = _Damaged(size=(202, 204), num_examples=2)
  config = dataclasses.replace(CONFIG, robustness=True, skip_unreadable=True)
  evaluate = make(model, source, config)
  seen = []
  count = lambda *counts: seen.append(counts)
  evaluate(variables, evaluation.Watch(on_progress=count))
  assert seen == [(1, 2), (2, 2), (1, 1)]
  assert capsys.readouterr().err.count("skipped") == 1
  seen.clear()
  with pytest.raises(evaluation.Abandoned):
    evaluate(
      variables,
      evaluation.Watch(on_progress=count, should_stop=lambda: len(seen) == 2),
    )
