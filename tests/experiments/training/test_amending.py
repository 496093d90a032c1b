"""A run goes on with changed settings, or from an earlier step."""

import dataclasses
import json
import math
import re

import pytest

from experiments import train
from experiments.runs import folder as run_folder
from experiments.runs import log
from experiments.training import config as training_config
from experiments.training import losses as training_losses
from experiments.training import schedules
from experiments.training import trainer
from tests.helpers.recipes import sums

TINY = "tests.helpers.recipes.sums"


def experiment(poisoned=False, **settings):
  tiny = sums.EXPERIMENTS["plain"]
  settings = {"steps": 12, "eval_every": None, **settings}
  return dataclasses.replace(
    tiny,
    data=dataclasses.replace(tiny.data, poisoned=poisoned),
    train=dataclasses.replace(tiny.train, **settings),
  )


def last_start(workdir):
  return json.loads((workdir / "provenance.json").read_text())[-1]


def test_a_run_is_made_longer(tmp_path, capsys):
  trainer.train(experiment(), tmp_path)
  longer = experiment(steps=20)
  with pytest.raises(run_folder.ConfigError, match=r"here on \(--amend\)"):
    trainer.train(longer, tmp_path)
  assert trainer.train(longer, tmp_path, amend=True).step == 20
  printed = capsys.readouterr().err
  assert "From step 12 on train.steps is 20, not 12." in printed
  assert re.search(
    r"rate is 0\.\d+ at step 12 and \S+ at the end, step 20", printed
  )
  assert last_start(tmp_path)["changes"] == {"train.steps": [12, 20]}
  assert trainer.train(longer, tmp_path).step == 20  # Nothing to amend now.
  assert last_start(tmp_path)["changes"] == {}


def test_what_cannot_be_amended_is_refused_with_the_rest(tmp_path):
  trainer.train(experiment(), tmp_path)
  before = (tmp_path / "config.json").read_bytes()
  other = experiment(steps=20, batch_size=16)
  with pytest.raises(run_folder.ConfigError) as caught:
    trainer.train(other, tmp_path, amend=True)
  assert str(caught.value).endswith("--amend does not change train.batch_size.")
  assert "train.steps: 12 then, 20 now" in str(caught.value)
  remedy = f"another --workdir, where --checkpoint {tmp_path} begins with this"
  assert remedy in str(caught.value)
  assert (tmp_path / "config.json").read_bytes() == before


def test_accumulation_changes_freely(tmp_path):
  trainer.train(experiment(checkpoint_every=6), tmp_path)
  changed = experiment(checkpoint_every=6, accumulate=2)
  assert trainer.train(changed, tmp_path, from_step=6).step == 12
  stored = json.loads((tmp_path / "config.json").read_text())
  assert stored["train"]["accumulate"] == 2


def clipped(norm):
  optimizer = sums.EXPERIMENTS["plain"].train.optimizer
  return experiment(optimizer=dataclasses.replace(optimizer, clip_norm=norm))


@pytest.mark.parametrize("norms", [(10.0, 1.0), (None, 1.0), (1.0, None)])
def test_the_gradient_is_clipped_otherwise(tmp_path, norms):
  before, after = map(clipped, norms)
  short = dataclasses.replace(before.train, steps=6)
  trainer.train(dataclasses.replace(before, train=short), tmp_path)
  assert trainer.train(after, tmp_path, amend=True).step == 12


@pytest.mark.parametrize(
  "changes",
  [
    {"base_rate": 1e-3},
    {"base_rate": 0.5, "schedule": schedules.Constant()},
  ],
)
def test_rate_and_schedule_are_others(tmp_path, capsys, changes):
  trainer.train(experiment(steps=6, log_every=6), tmp_path)
  changed = experiment(log_every=6, **changes)
  trainer.train(changed, tmp_path, amend=True)
  rate, _ = training_config.learning_rate(changed.train, 48)
  then, now = (float(rate(step)) for step in (6, 11))
  line = f"rate is {then:.3g} at step 6 and {now:.3g} at the end, step 12."
  assert line in capsys.readouterr().err
  rows = log.read_rows(tmp_path / "metrics.jsonl")
  assert [row.get("learning_rate") for row in rows if row["step"] == 12] == [
    now,
    None,  # of the evaluation
  ]


def test_a_run_without_a_number_goes_on_skipping(tmp_path):
  poisoned = experiment(poisoned=True, log_every=1, checkpoint_every=1)
  with pytest.raises(training_losses.NonFiniteError, match="--amend") as caught:
    trainer.train(poisoned, tmp_path)
  assert "nor at any step since" not in str(caught.value)
  skip = training_config.NonFinite.SKIP
  settings = dataclasses.replace(poisoned.train, non_finite=skip, log_every=12)
  amended = dataclasses.replace(poisoned, train=settings)
  assert trainer.train(amended, tmp_path, amend=True).step == 12
  rows = log.read_rows(tmp_path / "metrics.jsonl")
  assert rows[-2]["skipped_steps"] >= 1
  # And back again, with a step that is not poisoned.
  stop = dataclasses.replace(
    settings, non_finite=training_config.NonFinite.STOP, steps=13
  )
  again = dataclasses.replace(poisoned, train=stop)
  assert trainer.train(again, tmp_path, amend=True).step == 13


def test_a_skipped_step_that_is_a_row_of_its_own(tmp_path):
  skip = training_config.NonFinite.SKIP
  config = experiment(poisoned=True, log_every=1, non_finite=skip)
  assert trainer.train(config, tmp_path).step == 12
  rows = [
    row
    for row in log.read_rows(tmp_path / "metrics.jsonl")
    if row["kind"] == "train"
  ]
  skipped = {row["step"] for row in rows if row["skipped_steps"]}
  assert sum(row["skipped_steps"] for row in rows) == 2
  # The row of the step after it counts it.
  assert not {step - 1 for step in skipped} & {row["step"] for row in rows}


def test_an_evaluation_without_a_number_does_not_end_the_run(
  tmp_path, capsys, monkeypatch
):
  losses = sums.Task.losses

  def broken(self, variables, batch, *, rng, is_training):
    found = losses(self, variables, batch, rng=rng, is_training=is_training)
    if is_training:
      return found
    return found._replace(loss=found.loss * float("nan"))

  monkeypatch.setattr(sums.Task, "losses", broken)
  report = trainer.train(experiment(eval_every=6), tmp_path)
  assert math.isnan(report.evaluation.metrics["loss"])
  printed = capsys.readouterr().err
  assert "At step 6 loss over 21 examples is not a number" in printed
  rows = log.read_rows(tmp_path / "metrics.jsonl")
  assert [r["step"] for r in rows if r["kind"] == "eval"] == [6, 12]
  assert '"loss": NaN' in (tmp_path / "metrics.jsonl").read_text()
  monkeypatch.undo()
  assert math.isnan(
    trainer.train(experiment(eval_every=6), tmp_path).evaluation.metrics["loss"]
  )


def test_a_run_goes_back(tmp_path, capsys):
  workdir = tmp_path / "run"
  arguments = [TINY, "--mini", "--workdir", str(workdir)]
  arguments += ["--train.checkpoint-every", "2"]
  assert train.main(arguments) == 0
  before = (workdir / "metrics.jsonl").read_bytes()
  assert train.main([*arguments, "--from-step", "3"]) == 1
  assert "has the steps [2, 4, 6]" in capsys.readouterr().err
  assert train.main([*arguments, "--from-step", "2"]) == 0
  printed = capsys.readouterr().err
  assert "The checkpoint of step 4 is in" in printed
  assert "Going on from step 2" in printed
  aside = workdir / "checkpoints-set-aside"
  note = aside / "went-back-to-2.txt"
  assert {*aside.iterdir()} == {aside / "4", aside / "6", note}
  assert (workdir / "metrics.jsonl").read_bytes() == before
  # The same command goes on, until it is told otherwise.
  assert train.main([*arguments, "--from-step", "2"]) == 0
  assert "Going on from step 6" in capsys.readouterr().err
  note.unlink()
  assert train.main([*arguments, "--from-step", "2"]) == 0
  assert (aside / "4-2").is_dir()


def test_nothing_is_moved_for_another_configuration(tmp_path, capsys):
  arguments = [TINY, "--mini", "--workdir", str(tmp_path)]
  arguments += ["--train.checkpoint-every", "2"]
  assert train.main(arguments) == 0
  other = [*arguments, "--train.batch-size", "16", "--from-step", "2"]
  assert train.main(other) == 1
  assert "--amend does not" not in capsys.readouterr().err
  assert not (tmp_path / "checkpoints-set-aside").exists()


def test_a_run_is_not_made_shorter_than_it_is(tmp_path):
  trainer.train(experiment(), tmp_path)
  before = (tmp_path / "config.json").read_bytes()
  shorter = experiment(steps=8)
  with pytest.raises(run_folder.ConfigError, match="has made 12 steps"):
    trainer.train(shorter, tmp_path, amend=True)
  assert (tmp_path / "config.json").read_bytes() == before
  step = max(int(p.name) for p in (tmp_path / "checkpoints").glob("[0-9]*"))
  assert step == 12
  assert trainer.train(shorter, tmp_path, amend=True, from_step=5).step == 8


def test_amend_is_an_option(tmp_path, capsys):
  arguments = [TINY, "--mini", "--workdir", str(tmp_path)]
  assert train.main(arguments) == 0
  longer = [*arguments, "--train.steps", "8"]
  assert train.main(longer) == 1
  assert "--amend" in capsys.readouterr().err
  assert train.main([*longer, "--amend"]) == 0
  assert "From step 6 on train.steps is 8, not 6." in capsys.readouterr().err
