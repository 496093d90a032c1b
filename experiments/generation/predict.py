"""Continues a prompt with a Perceiver AR of bytes."""

from collections.abc import Sequence
import dataclasses
import math
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
from experiments.generation import plots
from experiments.generation import samples
from experiments.generation import sequences
from experiments.generation.tunes import notes as tune_notes
from perceiver import autoregressive
from perceiver.autoregressive import sampling
from perceiver.autoregressive import sequence_positions
from perceiver.models import perceiver_ar


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
    output: a file for the samples, one after another.
    notes: a folder for the notes of each sample, a tune in ABC, as MIDI, and
      for their plot.
    sheet: a file, .png, for the samples of a model of pixels, side by side,
      which then have all their pixels.
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
  output: pathlib.Path | None = None
  notes: pathlib.Path | None = None
  sheet: pathlib.Path | None = None


def run(options: Generate) -> None:
  """Runs the command.

  Raises:
    errors.UsageError: if the command makes no sense.
    files.InputError: if a file cannot be used.
    FileNotFoundError: if there is no checkpoint.
  """
  if options.length < 1 or options.samples < 1:
    raise errors.UsageError("--length and --samples must be at least 1")
  prompt = _prompt(options)
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
  if model.config.vocab_size != perceiver_ar.NUM_BYTES:
    raise errors.UsageError(
      f"the model has {model.config.vocab_size} elements; expected bytes, "
      f"{perceiver_ar.NUM_BYTES}"
    )
  grid = sequence_positions.grid(model.config.positions)
  if (options.sheet is None) != (grid is None):
    raise errors.UsageError(
      "give --sheet FILE with a model of pixels, and with no other"
    )
  elements = [sequences.START, *sequences.encode(prompt).tolist()]
  show = _show if options.samples == 1 and grid is None else None
  _write(prompt if show else b"")
  rest = 0 if grid is None else max(math.prod(grid) - len(prompt), 1)
  found = sampling.generate(
    model,
    variables,
    [elements] * options.samples,
    rest or options.length,
    key=jax.random.key(options.weights.seed),
    config=choice,
    stop=sequences.END if grid is None else None,
    allowed=None if grid is None else samples.bytes_only,
    on_elements=show,
  )
  texts = [sequences.decode(sample) for sample in found]
  if grid is not None:
    assert options.sheet is not None
    images = np.stack([np.frombuffer(text, np.uint8) for text in texts])
    plots.sheet(options.sheet, images.reshape(-1, *grid))
    return
  if options.notes is not None:
    _write_notes(options.notes, texts)
  joined = b"\n\n".join([*texts, b""])
  _write(b"\n" if show else joined)
  if options.output is not None:
    files.write_bytes(options.output, joined)


def _prompt(options: Generate) -> bytes:
  if options.prompt_file is None:
    return options.prompt.encode("utf-8", "surrogateescape")
  if options.prompt:
    raise errors.UsageError("give --prompt or --prompt-file, not both")
  return tables.read_bytes(options.prompt_file)


def _write_notes(folder: pathlib.Path, texts: Sequence[bytes]) -> None:
  files.make_folder(folder)
  tunes = [tune_notes.parse(text.decode("utf-8", "replace")) for text in texts]
  for number, tune in enumerate(tunes):
    tune_notes.write_midi(folder / f"sample_{number}.mid", tune)
  tune_notes.plot(folder / "samples.png", tunes)


def _show(new: np.ndarray) -> None:
  if new[0] != sequences.END:
    _write(sequences.decode(new[:1]))


def _write(data: bytes) -> None:
  """Writes bytes to the terminal; what is no text becomes a sign."""
  sys.stdout.write(data.decode("utf-8", "replace"))
  sys.stdout.flush()
