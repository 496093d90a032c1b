"""Options and values of earlier versions, with those that replaced them."""

import re

VERSION, BEFORE = "0.2.0", "0.1.0"

_ATTENTION = (
  "num-heads|qk-channels|v-channels|query-residual|mlp-widening|exact-gelu|"
  "dropout-rate|attention-dropout-rate"
)
# (old, new), regular expressions; each goes on with what the one before made.
_OPTIONS = (
  (r"\.num-reads$", ".num-cross-attends"),
  (r"\.num-repeats$", ".num-blocks"),
  (r"\.(processor|layers)\.num-layers$", r".\1.num-self-attends-per-block"),
  (rf"\.((?:en|de)coder)\.({_ATTENTION})$", r".\1.cross-attention.\2"),
  (rf"\.(processor|layers)\.({_ATTENTION})$", r".\1.self-attention.\2"),
  (r"^--model\.(image|points)\.", "--model.inputs."),
  (r"^--model\.reading$", "--model.query-kind"),
  (r"^--judging\.", "--evaluation."),
  (r"^--data\.(generated|generator|toy)\.", "--data.synthetic."),
  (r"-motion\.shift$", "-motion.translation"),
  (r"-motion\.turn$", "-motion.rotation"),
  (r"\.augmentation\.flip$", ".augmentation.horizontal-flip"),
  (r"\.mirror-rate$", ".horizontal-flip-rate"),
  (r"\.upend-rate$", ".vertical-flip-rate"),
  (r"\.audible-only$", ".audio-only"),
  (r"\.visible-only$", ".video-only"),
  (r"^--data\.(corpus|dataset|train-on)$", "--data.source"),
  (r"^--data\.data-dir$", "--data.source KIND:PATH or PATH"),
  (r"^--data\.evaluate-dir$", "--data.evaluate-on KIND:PATH or PATH"),
  (r"^--corpus$", "--source"),
  (r"^--data\.windows$", "--data.num-segments"),
  (r"^--data\.sentencepiece$", "--data.sentencepiece-model"),
  (r"^--data\.scatter$", "--data.point-scaling"),
  (r"^--data\.battles\.", "--data.scenario."),
  (r"^--data\.num-moments$", "--data.num-transitions"),
  (r"^--data\.charged-share$", "--data.baseline-share"),
  (r"^--data\.disturbed-share$", "--data.max-random-share"),
  (r"^--playing\.", "--rollouts."),
  (r"^--sound$", "--audio"),
  (r"^--run$", "--runs"),
  (r"^--seen$", "--num-train"),
  (r"^--backwards$", "--backward"),
  (r"^--baseline$", "--recipes bert_"),
)
_REFERENCE = "perceiver.Model(config, reference=True), in Python"
_VALUES = {"GENERATED": "synthetic"}


def option(name: str) -> str | None:
  """Returns the new name of an option; None if its name is not an old one."""
  if name.endswith(".direct"):
    return _REFERENCE
  new = name
  for old, replacement in _OPTIONS:
    new = re.sub(old, replacement, new)
  return None if new == name else new


def value(name: str) -> str:
  """Returns the value of an option in lower case, as it is called today."""
  return _VALUES.get(name, name.lower())
