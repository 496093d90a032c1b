"""Names the classes of texts, with a classifier from `transformers`."""

import dataclasses
import json
import pathlib
from typing import Annotated

import numpy as np
import tyro

from experiments.cli import errors
from experiments.cli import predicting
from experiments.data import bytes_tokenizer
from experiments.data import files
from perceiver.models import text_classifier


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifyText:
  """Names the likeliest classes of texts.

  The model is a classifier of bytes with one learned query, such as a folder of
  `PerceiverForSequenceClassification`. A text is encoded as its tokenizer does:
  a token for its begin, its bytes, and one for its end; a longer one is cut.

  Attributes:
    texts: texts.
    labels: a file with the name of a class on every line; if None, the names
      that the checkpoint states, or numbers.
    top: number of classes in the output.
    output: a file for the results as JSON, one line per text.
  """

  texts: tyro.conf.Positional[tuple[str, ...]] = ()
  weights: Annotated[predicting.Weights, tyro.conf.arg(name="")] = (
    predicting.Weights()
  )
  labels: pathlib.Path | None = None
  top: int = 5
  output: pathlib.Path | None = None


def run(options: ClassifyText) -> None:
  """Runs the command.

  Raises:
    errors.UsageError: if the command makes no sense.
    files.InputError: if a file cannot be used.
    FileNotFoundError: if there is no checkpoint.
  """
  if options.top < 1 or not options.texts:
    raise errors.UsageError("name at least one text, and --top of at least 1")
  kind = text_classifier.TextClassifierConfig
  model, variables = predicting.load(options.weights, kind, "language_bytes")
  config = model.config
  if config.inputs.vocab_size != bytes_tokenizer.VOCAB_SIZE:
    raise errors.UsageError(
      f"the model has {config.inputs.vocab_size} tokens; this command encodes "
      f"bytes, for {bytes_tokenizer.VOCAB_SIZE}"
    )
  names = predicting.read_labels(options.labels, config.num_classes)
  if names is None:
    names = model.class_names
  lines = []
  for text in options.texts:
    ids, mask = encode(text, config.inputs.max_length)
    logits = np.asarray(model.apply(variables, ids[None], mask=mask[None]))[0]
    best = predicting.best_classes(logits, options.top, names)
    print("\n".join([text, *map(predicting.describe, best)]), flush=True)
    lines.append(json.dumps({"text": text, "predictions": best}) + "\n")
  if options.output is not None:
    files.write_text(options.output, "".join(lines))


def encode(text: str, length: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns ids, int32, and whether they are of the text, both [length]."""
  found = bytes_tokenizer.encode(text)[: length - 2]
  ids = np.full(length, bytes_tokenizer.PAD, np.int32)
  ids[0], ids[1 + len(found)] = bytes_tokenizer.CLS, bytes_tokenizer.SEP
  ids[1 : 1 + len(found)] = found
  return ids, np.arange(length) < len(found) + 2
