"""Samples for the pages of evaluations."""

import dataclasses

import jax
import numpy as np
from PIL import Image
import pytest

from experiments.data import fashion_mnist
from experiments.generation import recipes
from experiments.generation import samples
from experiments.generation import sequences
from experiments.generation.pixels import configs as pixels_configs
from experiments.generation.pixels import data as pixels_data
from experiments.generation.tunes import configs as tunes_configs
from experiments.generation.tunes import data as tunes_data
from experiments.runs import plots
from perceiver import autoregressive
from perceiver.models import perceiver_ar
from tests.helpers.recipes import generation as tiny

TEXT = tiny.EXPERIMENTS["text"]
ROTARY = recipes.rotary_model(
  context=40, num_latents=8, num_layers=1, channels=16, num_heads=2
)


def drawn(experiment, folder, end=0.0):
  """Returns the files that an untrained model draws; `end` is a bias."""
  task = experiment.task()
  variables = task.model.init(jax.random.key(0))
  logits = variables.params["perceiver_ar/logits"]
  logits["b"] = logits["b"].at[sequences.END].set(end)
  return task.plots(variables, folder)


def test_texts_go_on_from_held_out_ones(tmp_path):
  experiment = dataclasses.replace(TEXT, model=ROTARY)
  (path,) = drawn(experiment, tmp_path)
  first = path.read_text()
  assert plots.caption_of(path).startswith("Held-out beginnings and")
  parts = first.split("\n\n", 1)[1].split("\n\n―――\n\n")
  assert len(parts) == 3
  _, held_out = experiment.splits()
  windows = [held_out.source[i] for i in (0, 5, 10)]
  for part, window in zip(parts, windows):
    inputs = held_out.transform(window, None)["inputs"][:20]
    prompt, _, added = part.partition("▮")
    assert prompt == sequences.decode(inputs).decode()
    assert added
  (path,) = drawn(experiment, tmp_path)
  assert path.read_text() == first


@pytest.mark.parametrize(("positions", "added"), [(44, 4), (39, 0)])
def test_no_more_is_added_than_there_are_positions_for(
  positions, added, tmp_path
):
  model = dataclasses.replace(
    ROTARY, positions=autoregressive.Sinusoidal(size=positions)
  )
  experiment = dataclasses.replace(tunes_configs.MINI, model=model)
  text, _ = drawn(experiment, tmp_path)
  parts = text.read_text().split("\n\n", 1)[1].split("\n\n―――\n\n")
  assert max(len(part.partition("▮")[2].strip()) for part in parts) <= added
  assert any(part.rstrip("\n").partition("▮")[2] for part in parts) == bool(
    added
  )


def test_models_that_count_back_draw_nothing(tmp_path):
  model = dataclasses.replace(ROTARY, order=autoregressive.Order.FROM_LAST)
  experiment = dataclasses.replace(TEXT, model=model)
  assert drawn(experiment, tmp_path) == []


def test_beginnings_are_no_longer_than_their_windows():
  _, held_out = TEXT.splits()
  (first,) = samples.beginnings(held_out, 1, 1000)
  assert 0 < len(first) <= TEXT.model.context
  assert (first > 0).all()


def test_tunes_follow_held_out_ones(tmp_path):
  experiment = dataclasses.replace(tunes_configs.MINI, model=ROTARY)
  text, picture = drawn(experiment, tmp_path)
  _, held_out = tunes_data.documents(experiment.data.source)
  prompts = text.read_text().split("\n\n", 1)[1].split("\n\n―――\n\n")
  for prompt, tune in zip(prompts, held_out[:3], strict=True):
    own = (tune + b"\n").decode()[-40:]
    assert prompt.partition("▮")[0] == own
  with Image.open(picture) as image:
    assert image.height > 200


@pytest.mark.parametrize(("side", "expected"), [(4, 1), (65, 0)])
def test_images_are_drawn_where_it_is_quick(side, expected, tmp_path):
  model = perceiver_ar.perceiver_ar(
    context=side * side,
    num_latents=8,
    num_layers=1,
    channels=16,
    num_heads=2,
    positions=autoregressive.Learned(
      sizes=(side + 2, side + 2, 3), grid=(side, side, 1)
    ),
  )
  source = fashion_mnist.Source(fashion_mnist.Kind.SYNTHETIC)
  experiment = dataclasses.replace(
    pixels_configs.MINI, model=model, data=pixels_data.DataConfig(source=source)
  )
  pictures = drawn(experiment, tmp_path, end=20.0)  # which is no pixel
  assert len(pictures) == expected
  for picture in pictures:
    assert plots.caption_of(picture) == "Images of the model's own"
    with Image.open(picture) as image:
      assert image.size == (3 * 8 * side, 3 * 2 * side)  # 16 images
      assert len(np.unique(np.asarray(image))) > 16


def test_what_cannot_be_printed_is_a_sign(tmp_path):
  prompt = sequences.encode(b"x" * 500 + b"\x00\xffend")
  sampler = samples.Sampler(None, None, tmp_path)  # neither is needed
  path = sampler.write("Two", [prompt], [b"a\nb\x07"])
  caption, empty, first, last = path.read_text().splitlines()
  assert (caption, empty, last) == ("Two", "", "b\ufffd")
  assert first == f"{'x' * 115}\ufffd\ufffdend▮a"
