"""Kinds of nested configurations as options."""

import json

import pytest

from experiments import evaluate
from experiments import train
from experiments.cli import arguments as cli_arguments
from experiments.cli import errors
from experiments.cli import registry
from experiments.image_classification import convnet
from experiments.training import optimizers
from experiments.training import schedules
from perceiver import decoder
from tests.helpers import commands

TINY = "tests.helpers.recipes.sums"


def experiment(name, *arguments, mini=True):
  choice = registry.choose(name, mini=mini)
  given = [name, *arguments]
  return cli_arguments.override(train.Train, choice, given, "train")


@pytest.mark.parametrize("spelling", ["lamb", "Lamb", "LAMB"])
def test_values_that_were_given_are_kept(spelling):
  options = ("--train.optimizer", spelling, "--train.optimizer.b1", "0.8")
  found = experiment("digits", *options).train.optimizer
  assert found == optimizers.Lamb(b1=0.8, weight_decay=0.05, clip_norm=1.0)


def test_kinds_without_fields_of_their_own():
  found = experiment("digits", "--train.schedule=constant")
  assert found.train.schedule == schedules.Constant()
  found = experiment("digits", "--train.optimizer=adam")
  assert found == registry.choose("digits", mini=True).experiment


@pytest.mark.parametrize("spelling", ["mean-decoder", "MeanDecoderConfig"])
def test_another_decoder(spelling):
  found = experiment("digits", "--model.perceiver.decoder", spelling)
  expected = decoder.MeanDecoderConfig(output_channels=10)
  assert found.model.perceiver.decoder == expected


def test_another_model_and_kinds_within_it():
  options = ("--model.inputs.positions=learned", "--model=conv-net")
  options += ("--model.inputs.positions.channels=8",)
  model = experiment("digits", *options).model
  assert isinstance(model, convnet.ConvNetConfig)
  assert model.num_classes == 10
  assert type(model.inputs.positions).__name__ == "Learned"


def test_values_that_only_the_new_kind_has(capsys):
  options = ("--train.schedule", "warmup-cosine")
  with pytest.raises(SystemExit):
    experiment("imagenet", *options, mini=False)
  assert "give exactly one of warmup_steps and" in capsys.readouterr().err
  options += ("--train.schedule.warmup-steps=3",)
  found = experiment("imagenet", *options, mini=False)
  assert found.train.schedule == schedules.WarmupCosine(warmup_steps=3)


@pytest.mark.parametrize(
  ("options", "message"),
  [
    (["--train.optimizer", "sgd"], "'sgd'; expected one of lamb, adam"),
    (["--train.optimizer"], "''; expected one of lamb, adam"),
    (["--train.schedule=3"], "expected one of constant, constant-then-cosine,"),
  ],
)
def test_unknown_kinds(options, message, capsys):
  with pytest.raises(errors.UsageError, match=message):
    experiment("digits", *options)
  assert train.main(["digits", *options]) == 2
  assert message in capsys.readouterr().err


def test_options_of_the_kind_that_was_left(capsys):
  with pytest.raises(SystemExit):
    experiment(
      "digits", "--train.schedule=steps", "--train.schedule.warmup-steps=3"
    )
  assert "--train.schedule.warmup-steps=3" in capsys.readouterr().err


def test_the_help_names_kinds(capsys):
  with pytest.raises(SystemExit):
    train.main(["digits", "--help"])
  text = capsys.readouterr().out
  assert "--model.perceiver.decoder {decoder,mean-decoder}" in text
  assert "--train.optimizer {lamb,adam}" in text


def test_runs_keep_the_kind(tmp_path, capsys):
  options = ("--train.optimizer=lamb", "--train.schedule", "constant")
  run = (TINY, "--mini", "--workdir", tmp_path / "run", *options)
  commands.command(capsys, train.main, *run)
  config = json.loads((tmp_path / "run" / "config.json").read_text())
  assert config["train"]["optimizer"]["type"] == "Lamb"
  assert config["train"]["schedule"] == {"type": "Constant"}
  commands.command(capsys, train.main, *run)
  commands.command(capsys, evaluate.main, tmp_path / "run")
  error = commands.command(capsys, train.main, *run[:-3], code=1)
  assert "train.optimizer.type: Lamb then, Adam now" in error
