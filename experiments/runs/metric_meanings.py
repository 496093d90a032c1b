"""Meanings and units of metrics, for readers who did not choose their names."""

import re
from typing import NamedTuple

COUNTED = ("classes", "clips")  # units of whole numbers


class Meaning(NamedTuple):
  """The meaning of a metric.

  Attributes:
    text: a few words; empty if nothing is known of the metric.
    unit: of its numbers; empty for shares, scores and sums of several.
  """

  text: str = ""
  unit: str = ""


# By patterns of whole names; "{}" stands for what a pattern's group matches.
_MEANINGS = {
  "loss": Meaning(
    "what training minimises, in nats if a cross-entropy; targets are here "
    "neither smoothed nor mixed, as those of training may be"
  ),
  "near_error": Meaning(
    "difference of distances up to 0.05 from the surface; the cube's side is 2"
  ),
  "smaller_loss": Meaning(
    "loss of fewer latents, against the outputs of all or against the data"
  ),
  "top_1": Meaning("share of examples whose likeliest class is right"),
  r"top_(\d+)": Meaning(
    "share of examples whose class is among the {} likeliest"
  ),
  # Optical flow.
  "epe": Meaning("end-point error: distance from the true flow", "pixels"),
  "epe_by_image": Meaning("end-point error, averaged by image first", "pixels"),
  r"epe_s(\d+-\d+|\d+\+)": Meaning(
    "end-point error where the true motion is {} pixels", "pixels"
  ),
  "epe_(occluded|visible)": Meaning("end-point error of {} pixels", "pixels"),
  "zero_epe": Meaning("end-point error of no motion at all", "pixels"),
  "fl_all": Meaning(
    "share of outliers: pixels that are off by 3 pixels and by 5 %"
  ),
  r"within_(\d)px": Meaning("share of pixels that are off by less than {} px"),
  r"over_(\d)px": Meaning("share of pixels that are off by more than {} px"),
  # Audio and video.
  "map": Meaning("mean average precision of the classes"),
  "chance_map": Meaning("mean average precision of a random ranking"),
  "classes": Meaning("classes in some clip, which are averaged", "classes"),
  "silent": Meaning("clips without audio, or whose audio is not used", "clips"),
  "hit": Meaning("share of clips that have the likeliest class"),
  "(video|audio)_l1": Meaning("mean absolute error of the {}"),
  "(video|audio)_psnr": Meaning("peak signal-to-noise ratio of the {}", "dB"),
  "mean_(video|audio)_psnr": Meaning(
    "peak signal-to-noise ratio of the clip's mean in place of its {}", "dB"
  ),
  "label_nats": Meaning("cross-entropy of the class", "nats"),
  # StarCraft.
  "actions": Meaning("cross-entropy of a unit's action", "nats"),
  "winning": Meaning("cross-entropy of the winner", "nats"),
  "action_accuracy": Meaning("share of units with the right action"),
  "action_kind_accuracy": Meaning("share of units with an action of the kind"),
  "target_accuracy": Meaning("share of attacking units with the right target"),
  "winning_accuracy": Meaning("share of battles whose winner is predicted"),
  "win_rate": Meaning("share of battles won against the scripted policy"),
  "heuristic_win_rate": Meaning(
    "share of the same battles that the scripted policy wins in its place"
  ),
  "expert_score": Meaning("share of battles won against the expert"),
  # Language.
  "nats": Meaning("cross-entropy of a masked token", "nats"),
  "bits_per_byte": Meaning("cross-entropy of a byte of text", "bits"),
  "bits_per_dimension": Meaning("cross-entropy of a pixel's channel", "bits"),
  "accuracy": Meaning("share of predictions that are right"),
  "word_accuracy": Meaning("share of masked words that are right as a whole"),
  "score": Meaning("average of the first metric of every task"),
  "(.+)_sign_accuracy": Meaning("share of right signs of ratings in {}"),
  "(.+)_accuracy": Meaning("share of right answers in {}"),
  "(.+)_f1": Meaning("F1 of class 1 in {}"),
  "(.+)_matthews": Meaning("Matthews' correlation coefficient in {}"),
  "(.+)_pearson": Meaning("Pearson's correlation coefficient in {}"),
  "(.+)_spearman": Meaning("Spearman's rank correlation in {}"),
}

# Tasks of GLUE as they are written elsewhere.
_TASKS = {"cola": "CoLA", "sst2": "SST-2", "stsb": "STS-B"}
_TASKS |= {name: name.upper() for name in ("mnli", "mrpc", "qnli", "qqp")}
_TASKS |= {name: name.upper() for name in ("rte", "wnli")}


def of(metric: str) -> Meaning:
  """Returns the meaning of a metric, an empty one if it is not listed."""
  for pattern, meaning in _MEANINGS.items():
    if match := re.fullmatch(pattern, metric):
      words = meaning.text.format(*map(_in_words, match.groups()))
      return meaning._replace(text=words)
  return Meaning()


def _in_words(part: str) -> str:
  """Returns a part of a metric's name as a reader would write it."""
  first, *others = part.split("_")
  return " ".join([_TASKS.get(first, first), *others])
