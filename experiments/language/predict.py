"""Names the classes of texts, with a classifier from `transformers`."""

import dataclasses

import numpy as np
import tyro

from experiments.cli import errors
from experiments.cli import predicting
from experiments.data import bytes_tokenizer
from perceiver.models import text_classifier


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifyText(predicting.ClassifierOptions):
  """Names the likeliest classes of texts.

  The model is a classifier of bytes with one learned query, such as a folder of
  `PerceiverForSequenceClassification`. A text is encoded as its tokenizer does:
  a token for its begin, its bytes, and one for its end; a longer one is cut.

  Attributes:
    texts: texts.
  """

  texts: tyro.conf.Positional[tuple[str, ...]] = ()


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
  names = predicting.class_names(options.labels, model)

  def classes(text: str) -> list[predicting.Guess]:
    ids, mask = encode(text, config.inputs.max_length)
    logits = np.asarray(model.apply(variables, ids[None], mask=mask[None]))[0]
    return predicting.best_classes(logits, options.top, names)

  found = ((text, classes(text)) for text in options.texts)
  predicting.report("text", found, options.output)


def encode(text: str, length: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns ids, int32, and whether they are of the text, both [length]."""
  found = bytes_tokenizer.encode(text)[: length - 2]
  ids = np.full(length, bytes_tokenizer.PAD, np.int32)
  ids[0], ids[1 + len(found)] = bytes_tokenizer.CLS, bytes_tokenizer.SEP
  ids[1 : 1 + len(found)] = found
  return ids, np.arange(length) < len(found) + 2
