"""Recipes of further rows of both papers' tables: data, not code.

A recipe is one of two, Perceiver IO's or the Perceiver's, with another model.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

from perceiver.models import imagenet

Experiment = Any

# 2107.14795 table 7: the mean decoder, with Perceiver IO's training.
_MEAN_DECODERS = {
  "mean_fourier": "perceiver_imagenet_1_cross_attend",
  "mean_learned": "perceiver_imagenet_1_cross_attend_learned",
  "mean_conv": "perceiver_imagenet_1_cross_attend_conv",
}
# 2103.03206 tables 5, 6 and 7, with the Perceiver's.
_ABLATIONS = (
  *(f"{n}_cross_attends_only" for n in (4, 8, 12)),
  *("1_cross_attend", "2_cross_attends", "4_cross_attends"),
  *(f"{n}_cross_attends_at_start" for n in (2, 4, 8)),
  "unshared",
)


def _permuted(name: str) -> imagenet.ImageClassifierConfig:
  """Returns a model whose inputs are shuffled (2103.03206 table 2)."""
  model = imagenet.CONFIGS[name]
  inputs = dataclasses.replace(model.inputs, permutation_seed=0)
  return dataclasses.replace(model, inputs=inputs)


def recipes(io: Experiment, perceiver: Experiment) -> Mapping[str, Experiment]:
  """Returns recipes by name.

  Args:
    io: the recipe of 2107.14795 appendix A.
    perceiver: the recipe of 2103.03206 §4.1.
  """
  of = lambda recipe, model: dataclasses.replace(recipe, model=model)
  return {
    **{r: of(io, imagenet.CONFIGS[m]) for r, m in _MEAN_DECODERS.items()},
    **{
      f"perceiver_{name}": of(
        perceiver, imagenet.CONFIGS[f"perceiver_imagenet_{name}"]
      )
      for name in _ABLATIONS
    },
    "perceiver_permuted": of(perceiver, _permuted("perceiver_imagenet")),
    "perceiver_learned_permuted": of(
      perceiver, _permuted("perceiver_imagenet_learned")
    ),
  }
