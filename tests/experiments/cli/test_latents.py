"""`evaluate --latents` and `--choose-latents`."""

import json

import numpy as np
import pytest

from experiments import evaluate
from experiments import train
from experiments.cli import latent_rows
from experiments.cli import latents
import perceiver
from perceiver.checkpoints import store
from perceiver.models import modelnet40

TINY = "tests.helpers.recipes.points"


def row(num_latents, right, *, flops=1e9, seconds=1e-3):
  values = {"loss": 1.0 - right, "top_1": right}
  return latent_rows.Row(num_latents, values, int(flops), seconds)


def rows(*shares):
  """Returns rows of 1, 2, 4, … latents with shares of right answers."""
  order = np.random.default_rng(0).permutation(1000)
  return [
    row(
      2**i, (order < 1000 * share) * 1.0, flops=2**i * 1e9, seconds=2**i / 1e3
    )
    for i, share in enumerate(shares)
  ]


def options(**changes):
  return latents.Selection(experiment="digits", choose_latents=True, **changes)


def test_the_fewest_within_a_margin_are_chosen():
  """The bound counts, not the mean: 0.4 points less of 1,000 is no proof."""
  found = rows(0.5, 0.89, 0.896, 0.9, 0.9)
  assert latents.choose(found, options(within=0.5))[0].num_latents == 8
  assert latents.choose(found, options(within=1.5))[0].num_latents == 2
  assert latents.choose(found, options(within=50.0))[0].num_latents == 1
  worst = options(within=0.0, metric="-loss")
  assert latents.choose(found, worst)[0].num_latents == 8
  chosen, reason = latents.choose(found, options(within=0.5))
  assert "top_1" in reason
  assert "95%" in reason
  assert "0.5 points" in reason
  assert chosen is found[3]


@pytest.mark.parametrize(
  ("budget", "expected"),
  [("5ms", 4), ("0.002s", 2), ("2500us", 2), ("2GFLOP", 2), ("1e2ms", None)],
)
def test_the_most_within_a_budget_are_chosen(budget, expected):
  if expected is None:
    with pytest.raises(
      ValueError, match="--budget is '1e2ms'; expected a time"
    ):
      options(budget=budget)
    return
  found = rows(0.5, 0.6, 0.7, 0.8)
  assert (
    latents.choose(found, options(budget=budget))[0].num_latents == expected
  )


def test_a_budget_below_one_latent_is_refused():
  with pytest.raises(latents.errors.UsageError, match="not even 1 latents do"):
    latents.choose(rows(0.5, 0.6), options(budget="5MFLOP"))


def test_the_bound_is_that_of_a_normal_distribution():
  values = np.random.default_rng(1).normal(0.2, 1.0, 4000)
  expected = values.mean() - 1.645 * values.std() / np.sqrt(4000)
  assert abs(latents.lower_bound(values) - expected) < 2e-3


@pytest.mark.parametrize(
  ("words", "message"),
  [
    (["--choose-latents"], "needs --within or --budget"),
    (["--within", "1"], "go with --choose-latents"),
    (["--choose-latents", "--within", "-1"], "expected at least 0"),
    (["--latents", "2,x"], "expected all, or numbers"),
    (["--latents", "2,900"], "num_latents is 900; expected 1 to"),
    (["--latents", "all", "--metric", "psnr"], "expected one of loss, top_1"),
  ],
)
def test_nonsense_is_refused(run, words, message, capsys):
  try:
    code = evaluate.main([str(run), *words])
  except SystemExit as error:  # of the parser
    code = error.code
  assert code == 2
  assert message in " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp("latents") / "run"
  words = "--train.latents.sizes 1 2 --train.latents.training sandwich"
  assert (
    train.main([TINY, "--mini", "--workdir", str(folder), *words.split()]) == 0
  )
  return folder


def table(text):
  """Returns {number of latents: {column: number}} of the printed table."""
  lines = text.splitlines()
  start = next(i for i, x in enumerate(lines) if x.split()[:1] == ["latents"])
  names, *rows = [line.split() for line in lines[start : start + 4]]
  return {int(x[0]): dict(zip(names, map(float, x))) for x in rows}


def test_a_run_is_evaluated_at_its_sizes(run, tmp_path, capsys):
  """All latents give what an ordinary evaluation gives."""
  assert evaluate.main([str(run)]) == 0
  ordinary = capsys.readouterr().out
  assert (
    evaluate.main([str(run), "--latents", "all", "--report", str(tmp_path)])
    == 0
  )
  printed = capsys.readouterr().out
  counts = next(x for x in ordinary.splitlines() if " examples of " in x)
  assert counts in printed.splitlines()
  found = table(printed)
  *_, most = found
  assert list(found) == [1, 2, most]
  assert f"loss {found[most]['loss']:.4f}" in ordinary
  assert f"top_1 {found[most]['top_1']:.4f}" in ordinary
  flops = [x["GFLOP"] for x in found.values()]
  assert flops == sorted(flops)
  assert flops[0] < flops[-1]
  assert all(x["ms"] > 0 for x in found.values())
  assert (tmp_path / latents.PLOT).stat().st_size > 1000
  page = (tmp_path / "index.html").read_text()
  assert f'src="{latents.PLOT}"' in page
  assert f'<td class="number">{found[1]["loss"]:.4f}</td>' in page


def test_a_choice_is_written_and_used(run, capsys):
  """`load` and `evaluate` use it; the arrays are all there."""
  file = run / "model.safetensors"
  before, variables = store.load(file, modelnet40.PointClassifierConfig)
  words = ["--choose-latents", "--within", "100"]
  assert evaluate.main([str(run), *words]) == 0
  assert "chosen: 1 latents, the fewest" in capsys.readouterr().out
  model, same = store.load(file, modelnet40.PointClassifierConfig)
  assert (before.num_latents, model.num_latents) == (None, 1)
  assert model.config == before.config
  np.testing.assert_array_equal(
    same.params["classifier/perceiver/latents"]["embeddings"],
    variables.params["classifier/perceiver/latents"]["embeddings"],
  )
  assert evaluate.main([TINY, "--mini", "--checkpoint", str(file)]) == 0
  ordinary = capsys.readouterr().out
  assert evaluate.main([str(run), "--latents", "all"]) == 0
  assert f"loss {table(capsys.readouterr().out)[1]['loss']:.4f}" in ordinary


@pytest.mark.parametrize("text", ["0", "500", "many", "1.5"])
def test_a_file_with_an_impossible_choice_is_refused(run, tmp_path, text):
  from safetensors import safe_open
  from safetensors.numpy import load_file
  from safetensors.numpy import save_file

  source = run / "model.safetensors"
  with safe_open(source, "numpy") as file:
    metadata = file.metadata()
  assert json.loads(metadata["config"])
  changed = tmp_path / "model.safetensors"
  save_file(load_file(source), changed, {**metadata, "num_latents": text})
  with pytest.raises(
    perceiver.CheckpointError, match=f"states '{text}' latents"
  ):
    store.load(changed, modelnet40.PointClassifierConfig)
