"""The task of image classification and its experiments."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments import evaluate
from experiments import train
from experiments.cli import registry
from experiments.data import loader
from experiments.image_classification import mixing
from experiments.image_classification import task as classification_task
from experiments.image_classification.digits import configs as digits
from experiments.image_classification.digits import data as digits_data
from experiments.image_classification.imagenet import configs as imagenet
from experiments.image_classification.imagenet import painted_digits
from experiments.image_classification.imagenet import sources
from experiments.training import config as training_config
import perceiver
from tests.helpers import commands


def held_out_batch(size=16):
  _, split = digits_data.splits()
  return next(loader.eval_batches(split, batch_size=size))


@pytest.fixture(scope="module")
def digits_task():
  return digits.MINI.task()


@pytest.fixture(scope="module")
def variables(digits_task):
  return digits_task.model.init(jax.random.key(0))


def test_the_split_of_digits_is_fixed():
  train_split, eval_split = digits_data.splits()
  assert (len(train_split.source), len(eval_split.source)) == (1437, 360)
  labels = [int(eval_split.source[i][1]) for i in range(20)]
  assert labels == [2, 2, 3, 0, 8, 8, 7, 8, 3, 4, 0, 2, 1, 3, 3, 1, 0, 5, 5, 7]
  trained = {
    x[0].tobytes() for x in map(train_split.source.__getitem__, range(1437))
  }
  held_out = {
    x[0].tobytes() for x in map(eval_split.source.__getitem__, range(360))
  }
  assert not trained & held_out


def test_digits_are_normalised_and_not_augmented():
  split, _ = digits_data.splits()
  image, label = split.source[7]
  found = split.transform((image, label), np.random.default_rng(0))
  assert found["images"].shape == (8, 8, 1)
  assert found["images"].dtype == np.float32
  assert found["labels"] == label
  again = found["images"][..., 0] * 0.376 + 0.305
  np.testing.assert_allclose(again, image, atol=1e-6)
  images = np.stack([split.source[i][0] for i in range(1437)])
  assert abs(images.mean() - 0.305) < 5e-3
  assert abs(images.std() - 0.376) < 5e-3


def test_evaluation_neither_smooths_nor_mixes(digits_task, variables):
  batch = held_out_batch()
  losses = digits_task.losses(variables, batch, rng=None, is_training=False)
  logits = digits_task.model.apply(variables, batch["images"])
  expected = -jax.nn.log_softmax(logits)[np.arange(16), batch["labels"]]
  np.testing.assert_allclose(losses.loss, expected, rtol=1e-5)
  assert set(losses.metrics) == {"top_1"}


def test_training_smooths_and_mixes(digits_task, variables):
  batch = held_out_batch()
  mixed = dataclasses.replace(
    digits_task,
    loss=classification_task.LossConfig(
      mixing=mixing.MixingConfig(mixup_alpha=1.0, cutmix=True)
    ),
  )
  plain = dataclasses.replace(
    digits_task, loss=classification_task.LossConfig()
  )
  run = lambda task, seed: np.asarray(
    task.losses(
      variables, batch, rng=jax.random.key(seed), is_training=True
    ).loss
  )
  smooth, without = run(digits_task, 0), run(plain, 0)
  assert np.abs(smooth - without).max() > 1e-3
  np.testing.assert_array_equal(without, run(plain, 1))
  assert np.abs(run(mixed, 0) - run(mixed, 1)).max() > 1e-3


@pytest.mark.parametrize("name", ["digits", "fashion_mnist", "imagenet"])
def test_every_recipe_is_complete(name):
  for choice in registry.choices(name):
    model = choice.experiment.model
    assert model.inputs.size[0] == model.inputs.size[1]
    assert model.num_classes in (10, 1000, 18_000)
    registry.check(choice.experiment)


def test_published_recipes_have_their_results():
  assert set(imagenet.RESULTS) <= set(imagenet.EXPERIMENTS)
  without = set(imagenet.EXPERIMENTS) - set(imagenet.RESULTS)
  plots = {name for name in without if name.startswith(("sweep_", "codes_"))}
  assert len(plots) == 22
  assert without - plots == {
    "perceiver_12_alone",  # out of memory
    *(f"large_{x}_jft" for x in ("fourier", "projected", "conv")),
  }
  assert imagenet.RESULTS["fourier"].paper == 0.79


def test_published_recipe_has_the_papers_schedule():
  config = imagenet.EXPERIMENTS["fourier"].train
  rate, steps = training_config.learning_rate(config, 1_281_167)
  assert steps == 137_625
  np.testing.assert_allclose(
    [rate(0), rate(68_000), rate(103_219), rate(steps)],
    [2e-3, 2e-3, 1e-3, 0],
    atol=1e-7,
  )
  config = imagenet.EXPERIMENTS["perceiver"].train
  rate, steps = training_config.learning_rate(config, 1_281_167)
  per_epoch = steps / 120
  found = [rate(int(epoch * per_epoch) + 2) for epoch in (83, 84, 102, 114)]
  np.testing.assert_allclose(found, [4e-3, 4e-4, 4e-5, 4e-6], rtol=1e-5)


def test_sizes_that_do_not_fit_are_refused():
  experiment = imagenet.EXPERIMENTS["fourier"]
  smaller = dataclasses.replace(experiment.data, image_size=128)
  with pytest.raises(ValueError, match=r"the data gives \(128, 128\)"):
    dataclasses.replace(experiment, data=smaller)


def test_digits_from_training_to_evaluation(tmp_path, capsys):
  workdir = tmp_path / "run"
  out = commands.command(
    capsys,
    train.main,
    *("digits", "--workdir", workdir, "--train.steps", 150),
    *("--train.log-every", 50, "--train.eval-every", 75),
  )
  assert "360 of 360 examples" in out
  rows = commands.rows(workdir)
  losses = [row["loss"] for row in rows if row["kind"] == "train"]
  assert losses[-1] < 0.8 * losses[0]
  accuracy = [row["top_1"] for row in rows if row["kind"] == "eval"]
  assert len(accuracy) == 2
  assert accuracy[-1] > 0.3  # guessing gives 0.1
  figures = sorted(path.name for path in (workdir / "figures").iterdir())
  assert figures == ["attention.png", "curve.png", "mistakes.png"]
  out = commands.command(
    capsys,
    evaluate.main,
    *("digits", "--checkpoint", workdir / "model.safetensors"),
  )
  assert f"{accuracy[-1]:.4f}" in out
  assert "360 of 360" in out


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
  root = tmp_path_factory.mktemp("painted")
  painted_digits.prepare(root, copies=1)
  return root


def synthetic(folder):
  return sources.Source(sources.Kind.SYNTHETIC, folder)


def test_imagenet_pipeline_from_jpeg_to_checkpoint(painted, tmp_path, capsys):
  workdir = tmp_path / "run"
  options = ("--data.source", f"synthetic:{painted}", "--train.batch-size", 16)
  out = commands.command(
    capsys,
    train.main,
    *("imagenet", "--mini", "--workdir", workdir, *options),
    *("--train.steps", 8, "--train.schedule.warmup-steps", 2),
    *("--train.log-every", 2, "--loss.mixing.mixup-alpha", 0.2),
  )
  assert "324 of 324 examples" in out
  model, _ = perceiver.load(workdir / "model.safetensors")
  assert model.class_names == tuple("0123456789")
  assert {"top_1", "top_5"} <= set(commands.rows(workdir)[-1])


def test_painted_digits_are_made_once(painted):
  before = sorted(path.stat().st_mtime_ns for path in painted.rglob("*"))
  painted_digits.prepare(painted, copies=1)
  after = sorted(path.stat().st_mtime_ns for path in painted.rglob("*"))
  assert before == after


def test_wrong_number_of_classes_is_refused(painted):
  mini = imagenet.MINI
  network = mini.model.perceiver
  decoder = dataclasses.replace(network.decoder, output_channels=11)
  experiment = dataclasses.replace(
    mini,
    data=dataclasses.replace(mini.data, source=synthetic(painted)),
    model=dataclasses.replace(
      mini.model, perceiver=dataclasses.replace(network, decoder=decoder)
    ),
  )
  with pytest.raises(ValueError, match=r"is 11; painted_digits has 10 classes"):
    experiment.task().train_split()


def test_the_number_of_classes_is_that_of_the_data(painted, capsys):
  choice = registry.choose("imagenet")
  data = dataclasses.replace(choice.experiment.data, source=synthetic(painted))
  experiment = dataclasses.replace(choice.experiment, data=data)
  found = registry.fit(choice, experiment)
  assert (found.model.num_classes, found.task().model.config) == (
    10,
    found.model,
  )
  assert (
    "model: 10 classes, as the data has, not 1000" in capsys.readouterr().err
  )
  asked = dataclasses.replace(
    experiment, model=experiment.model.with_num_classes(11)
  )
  assert registry.fit(choice, asked) == asked


def test_the_size_of_the_images_is_that_of_the_model(painted):
  mini = imagenet.MINI
  experiment = dataclasses.replace(
    mini,
    data=dataclasses.replace(mini.data, source=synthetic(painted)),
    model=dataclasses.replace(
      mini.model, inputs=dataclasses.replace(mini.model.inputs, size=(32, 32))
    ),
  )
  split = experiment.task().eval_split()
  example = split.transform(split.source[0], np.random.default_rng(0))
  assert example["images"].shape == (32, 32, 3)


def test_missing_imagenet_says_how_to_get_it(tmp_path, capsys):
  code = train.main(
    [
      "imagenet",
      "--data.source",
      f"imagenet2012:{tmp_path}",
      "--workdir",
      str(tmp_path / "run"),
    ]
  )
  error = capsys.readouterr().err
  assert code == 1
  assert "imagenet2012" in error
  assert "experiments.prepare images" in error
  assert not (tmp_path / "run").exists()
