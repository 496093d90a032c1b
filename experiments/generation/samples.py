"""What a model of bytes generates, for the pages of its evaluations."""

from collections.abc import Sequence
import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from experiments.data import files
from experiments.data import loader
from experiments.generation import sequences
import perceiver
from perceiver.autoregressive import sampling
from perceiver.autoregressive import sequence_positions
from perceiver.models import perceiver_ar

_SHOWN = 120  # bytes of a prompt, its last ones


def bytes_only(steps: jax.Array) -> jax.Array:  # [B] -> [B, V] bool
  """Returns the elements allowed at any step: bytes."""
  elements = jnp.arange(perceiver_ar.NUM_BYTES)
  return jnp.broadcast_to(
    elements >= sequences.NUM_SPECIAL, (len(steps), len(elements))
  )


def beginnings(
  split: loader.Split, number: int, length: int
) -> list[np.ndarray]:
  """Returns the first inputs of held-out windows from all over a split.

  Args:
    split: of windows, whose examples are those of `sequences.example`.
    number: of the windows.
    length: of a beginning, at most.
  """
  rows = np.linspace(0, len(split.source) - 1, number).astype(int)
  found = []
  for row in rows.tolist():
    example = split.transform(split.source[row], np.random.default_rng(0))
    inputs = example["inputs"]  # [M], padded behind
    found.append(inputs[: min(length, np.count_nonzero(inputs))])
  return found


@dataclasses.dataclass(frozen=True)
class Sampler:
  """A trained model, and a folder for what it generates.

  Attributes:
    model: a Perceiver AR of bytes.
    variables: its parameters.
    folder: for files.
  """

  model: perceiver.Model
  variables: perceiver.Variables
  folder: pathlib.Path

  def continued(
    self, prompts: Sequence[np.ndarray], most: int, *, of_pixels: bool = False
  ) -> list[bytes]:
    """Samples what follows prompts, without them; always the same.

    It is shorter where the model has no positions for so many elements.

    Args:
      prompts: elements.
      most: bytes to add.
      of_pixels: adds so many, without an end.
    """
    last = sequence_positions.most_elements(self.model.config.positions)
    if last is not None:
      most = min(most, last + 1 - max(map(len, prompts)))
    if most < 1:
      return [b""] * len(prompts)
    found = sampling.generate(
      self.model,
      self.variables,
      [prompt.tolist() for prompt in prompts],
      most,
      key=jax.random.key(0),
      stop=None if of_pixels else sequences.END,
      allowed=bytes_only if of_pixels else None,
    )
    return [
      sequences.decode(sample[len(prompt) :])
      for sample, prompt in zip(found, prompts)
    ]

  def write(
    self, caption: str, prompts: Sequence[np.ndarray], added: Sequence[bytes]
  ) -> pathlib.Path:
    """Writes the ends of prompts, and what follows behind a bar.

    Raises:
      files.InputError: if the file cannot be written.
    """
    shown = [
      f"{_text(sequences.decode(prompt)[-_SHOWN:])}▮{_text(new)}"
      for prompt, new in zip(prompts, added)
    ]
    path = self.folder / "samples.txt"
    text = "\n\n―――\n\n".join(shown)
    files.write_text(path, f"{caption}\n\n{text}\n")
    return path


def _text(data: bytes) -> str:
  text = data.decode("utf-8", "replace")
  return "".join(x if x.isprintable() or x == "\n" else "\ufffd" for x in text)
