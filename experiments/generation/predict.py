"""Continues a prompt with a Perceiver AR of bytes."""

import dataclasses
import pathlib
import sys
from typing import Annotated

import jax
import numpy as np
import tyro

from experiments.cli import errors
from experiments.cli import predicting
from experiments.data import files
from experiments.data import tables
from experiments.generation import sequences
from perceiver import autoregressive
from perceiver.autoregressive import sampling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generate:
  """Continues a prompt, byte by byte.

  Bytes are shown as they come if there is one sample.

  Attributes:
    prompt: a text to continue; nothing but a start if empty.
    prompt_file: a file to continue.
    length: the most bytes to add.
    samples: continuations, all of the same prompt.
    temperature: logits are divided by it; 0 takes the likeliest byte.
    top_k: bytes that remain, the likeliest ones; None for all.
    top_p: probability of the likeliest bytes that remain.
    seed: the same gives the same continuations.
    output: a file for the samples, one after another.
  """

  weights: Annotated[predicting.Weights, tyro.conf.arg(name="")] = (
    predicting.Weights()
  )
  prompt: str = ""
  prompt_file: pathlib.Path | None = None
  length: int = 256
  samples: int = 1
  temperature: float = 1.0
  top_k: int | None = None
  top_p: float = 1.0
  seed: int = 0
  output: pathlib.Path | None = None


def run(options: Generate) -> None:
  """Runs the command.

  Raises:
    errors.UsageError: if the command makes no sense.
    files.InputError: if a file cannot be used.
    FileNotFoundError: if there is no checkpoint.
  """
  if options.length < 1 or options.samples < 1:
    raise errors.UsageError("--length and --samples must be at least 1")
  if options.prompt and options.prompt_file is not None:
    raise errors.UsageError("give --prompt or --prompt-file, not both")
  try:
    choice = sampling.SamplingConfig(
      temperature=options.temperature, top_k=options.top_k, top_p=options.top_p
    )
  except ValueError as error:
    raise errors.UsageError(str(error)) from error
  model, variables = predicting.load(
    options.weights,
    autoregressive.AutoregressiveConfig,
    "perceiver_ar_mirrored_32",
  )
  if model.config.vocab_size != sequences.NUM_SPECIAL + 256:
    raise errors.UsageError(
      f"the model has {model.config.vocab_size} elements; expected bytes, "
      f"{sequences.NUM_SPECIAL + 256}"
    )
  prompt = options.prompt.encode("utf-8", "surrogateescape")
  if options.prompt_file is not None:
    prompt = tables.read_bytes(options.prompt_file)
  elements = [sequences.START, *sequences.encode(prompt).tolist()]
  show = _show if options.samples == 1 else None
  _write(prompt if show else b"")
  found = sampling.generate(
    model,
    variables,
    [elements] * options.samples,
    options.length,
    key=jax.random.key(options.seed),
    config=choice,
    stop=sequences.END,
    on_elements=show,
  )
  texts = [sequences.decode(sample) for sample in found]
  _write(b"\n" if show else b"\n\n".join([*texts, b""]))
  if options.output is not None:
    with files.writing(options.output) as temporary:
      temporary.write_bytes(b"\n\n".join([*texts, b""]))


def _show(new: np.ndarray) -> None:
  if new[0] != sequences.END:
    _write(sequences.decode(new[:1]))


def _write(data: bytes) -> None:
  """Writes bytes to the terminal; what is no text becomes a sign."""
  sys.stdout.write(data.decode("utf-8", "replace"))
  sys.stdout.flush()
