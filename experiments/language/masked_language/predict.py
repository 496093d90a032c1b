"""Fills in missing bytes of texts, with a masked language model."""

from collections.abc import Iterator, Sequence
import dataclasses
import json
import pathlib
import re
from typing import Annotated, Any, NamedTuple

import numpy as np
import tyro

from experiments.cli import errors
from experiments.cli import predicting
from experiments.data import bytes_tokenizer
from experiments.data import files
from experiments.data import tables
from experiments.runs import folder as run_folder
import perceiver
from perceiver.models import language

_MARKER = re.compile(rb"\[MASK(?:\*([1-9][0-9]*))?\]")
_LIKE_A_MARKER = re.compile(rb"\[MASK[^\]]{0,20}\]")
# Positions are decoded in groups of a multiple of this, so that texts with
# different numbers of masks share compiled code.
_GROUP = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class FillMask:
  """Fills in missing bytes of texts.

  In a text, [MASK] stands for one missing byte and [MASK*9] for nine; letters
  beyond ASCII are several bytes. With --span the text is complete, taken as it
  is, and those of its bytes are masked.

  The released model fills masks much better that begin with the space before a
  missing word: mask whole words, each with that space, as in
  "some words are[MASK*8]." for " missing".

  Attributes:
    texts: texts with masks in them.
    file: a file that holds one more text, as it is.
    batch: a file that holds one more text in every line.
    span: bytes to be masked, from START up to but not including END, such as
      51:60; may be given several times, and counts for every text.
    top_k: print the likeliest bytes of every masked one as well.
    output: a file for the results as JSON, one line per text.
  """

  texts: tyro.conf.Positional[tuple[str, ...]] = ()
  weights: Annotated[predicting.Weights, tyro.conf.arg(name="")] = (
    predicting.Weights()
  )
  file: pathlib.Path | None = None
  batch: pathlib.Path | None = None
  span: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
  top_k: int = 0
  output: pathlib.Path | None = None


class Masked(NamedTuple):
  """A text with masks."""

  ids: np.ndarray  # [length] int32
  positions: np.ndarray  # [masks] int64, rising


def run(options: FillMask) -> None:
  """Runs the command.

  Raises:
    errors.UsageError: if the command makes no sense, masks included.
    files.InputError: if a file cannot be used.
    FileNotFoundError: if there is no checkpoint.
  """
  if not 0 <= options.top_k <= 256:
    raise errors.UsageError("--top-k must be from 0 to 256")
  spans = [parse_span(span) for span in options.span]
  masked = []
  for name, text in _texts(options):
    try:
      found = mask_spans(text, spans) if spans else mask_markers(text)
    except errors.UsageError as error:
      raise errors.UsageError(f"{name}: {error}") from error
    masked.append((name, found))
  if not masked:
    raise errors.UsageError(
      "name a text, a --file that holds one or a --batch of them"
    )
  model, variables = predicting.load(
    options.weights, language.LanguageModelConfig, "language_bytes"
  )
  check_lengths(model.config.text, masked)
  if any(follows_a_space(one) for _, one in masked) and masks_spaces(
    options.weights.checkpoint
  ):
    predicting.say(
      "a mask follows a space; this model was trained to fill in words with "
      "the space before them, and does better if it is masked too: [MASK*8] "
      "in place of a space and [MASK*7]"
    )
  lines = []
  show = predicting.progress("texts", len(masked))
  for _, one in masked:
    logits = predict(model, variables, one)  # [masks, 256]
    filled, details = fill(one, logits, max(options.top_k, 1))
    print(filled.decode("utf-8", "replace"), flush=True)
    for detail in details if options.top_k else ():
      print(_describe(detail))
    row = {"text": filled.decode("utf-8", "replace"), "masked": details}
    lines.append(json.dumps(row) + "\n")
    show(len(lines))
  if options.output is not None:
    files.write_text(options.output, "".join(lines))


def _texts(options: FillMask) -> Iterator[tuple[str, bytes]]:
  """Yields all texts with their names."""
  for text in options.texts:
    yield repr(text), text.encode("utf-8", "surrogateescape")
  if options.file is not None:
    yield str(options.file), tables.read_bytes(options.file)
  if options.batch is not None:
    lines = tables.read_bytes(options.batch).splitlines()
    for number, line in enumerate(lines, 1):
      yield f"{options.batch}, line {number}", line


def parse_span(text: str) -> tuple[int, int]:
  """Returns start and end of a range such as "51:60".

  Raises:
    errors.UsageError: if it is no range, or empty.
  """
  match = re.fullmatch(r"(\d+):(\d+)", text)
  if not match or int(match[1]) >= int(match[2]):
    raise errors.UsageError(
      f"--span {text!r} is not a range of bytes; expected START:END with END "
      "greater than START, such as 51:60"
    )
  return int(match[1]), int(match[2])


def mask_spans(text: bytes, spans: Sequence[tuple[int, int]]) -> Masked:
  """Masks ranges of bytes of a complete text.

  Raises:
    errors.UsageError: if a range goes beyond the text.
  """
  masked = np.zeros(len(text), bool)
  for start, end in spans:
    if end > len(text):
      raise errors.UsageError(
        f"--span {start}:{end} goes beyond the text of {len(text)} bytes"
      )
    masked[start:end] = True
  ids = np.where(masked, bytes_tokenizer.MASK, bytes_tokenizer.encode(text))
  return Masked(ids.astype(np.int32), np.flatnonzero(masked))


def mask_markers(text: bytes) -> Masked:
  """Replaces [MASK] and [MASK*n] by one and n masks.

  Raises:
    errors.UsageError: if there are none, or one is misspelt.
  """
  markers = list(_MARKER.finditer(text))
  wrong = set(_LIKE_A_MARKER.findall(text)) - {m[0] for m in markers}
  if wrong or not markers:
    found = f"{wrong.pop()!r}" if wrong else "no mask in the text"
    raise errors.UsageError(
      f"{found}; expected [MASK] for one missing byte, [MASK*9] for nine, or "
      "--span START:END"
    )
  parts, end = [], 0
  for marker in markers:
    parts.append(bytes_tokenizer.encode(text[end : marker.start()]))
    count = int(marker[1] or 1)
    parts.append(np.full(count, bytes_tokenizer.MASK, np.int32))
    end = marker.end()
  ids = np.concatenate([*parts, bytes_tokenizer.encode(text[end:])])
  return Masked(ids, np.flatnonzero(ids == bytes_tokenizer.MASK))


def follows_a_space(masked: Masked) -> bool:
  """Returns whether any run of masks comes right after a space."""
  before = masked.positions[masked.positions > 0] - 1
  return bool(np.any(masked.ids[before] == bytes_tokenizer.encode(" ")))


def masks_spaces(checkpoint: pathlib.Path | None) -> bool:
  """Returns whether a model was trained with the space before a word masked.

  Released ones were; the configuration of a run states it, and a model file of
  ours that was taken out of its run does not: it then counts as no.

  Args:
    checkpoint: as on the command line; None for random weights.
  """
  if checkpoint is None:
    return False
  if not predicting.is_ours(checkpoint):
    return True
  run = checkpoint if checkpoint.is_dir() else checkpoint.parent
  try:
    config = json.loads(tables.read_bytes(run / run_folder.CONFIG))
    return bool(config["data"]["mask_spaces"])
  except (files.InputError, KeyError, TypeError, ValueError):
    return False


def check_lengths(config: Any, masked: Sequence[tuple[str, Masked]]) -> None:
  """Refuses texts that are too long, and models of other tokens.

  Args:
    config: the model's `TextInputConfig`.
    masked: names of the texts, and the texts.

  Raises:
    errors.UsageError: saying what is expected.
  """
  if config.vocab_size != bytes_tokenizer.VOCAB_SIZE:
    raise errors.UsageError(
      f"the model has {config.vocab_size} tokens; expected one that reads "
      f"bytes, which has {bytes_tokenizer.VOCAB_SIZE}"
    )
  for name, one in masked:
    if len(one.ids) > config.max_length:
      raise errors.UsageError(
        f"{name}: {len(one.ids)} bytes, masks included; expected at most "
        f"{config.max_length}, the model's positions: cut it or split it"
      )


def predict(
  model: perceiver.Model, variables: perceiver.Variables, masked: Masked
) -> np.ndarray:  # [masks, 256]
  """Returns the logits of all bytes at every masked position, and only there.

  The text is padded to the model's length, and padding is masked.
  Special tokens are left out: a missing byte is a byte.
  """
  length, count = model.config.text.max_length, len(masked.positions)
  ids = np.full((1, length), bytes_tokenizer.PAD, np.int32)
  ids[0, : len(masked.ids)] = masked.ids
  mask = np.arange(length)[None] < len(masked.ids)  # [1, length]
  positions = np.resize(masked.positions, -(-count // _GROUP) * _GROUP)
  logits = model.apply(
    variables, ids, input_mask=mask, positions=positions.astype(np.int32)
  )
  return np.asarray(logits)[0, :count, bytes_tokenizer.NUM_SPECIAL :]


def fill(
  masked: Masked, logits: np.ndarray, top: int
) -> tuple[bytes, list[dict[str, Any]]]:
  """Fills every masked position with its likeliest byte, independently.

  Args:
    masked: the text.
    logits: [masks, 256].
    top: number of bytes to list for each position.

  Returns:
    The text, and for every masked position {"position": of the byte, "bytes":
    [{"byte": 0 to 255, "text": as text, "probability": among all bytes}]}.
  """
  ids, details = masked.ids.copy(), []
  for position, row in zip(masked.positions, logits):
    best = predicting.best_classes(row, top, None)
    ids[position] = best[0]["class"] + bytes_tokenizer.NUM_SPECIAL
    details.append(
      {
        "position": int(position),
        "bytes": [
          {
            "byte": guess["class"],
            "text": bytes([guess["class"]]).decode("utf-8", "replace"),
            "probability": guess["probability"],
          }
          for guess in best
        ],
      }
    )
  return bytes_tokenizer.to_bytes(ids), details


def _describe(detail: dict[str, Any]) -> str:
  guesses = (
    f"{bytes([g['byte']])!r} {100 * g['probability']:.1f} %"
    for g in detail["bytes"]
  )
  return f"  byte {detail['position']}: {', '.join(guesses)}"
