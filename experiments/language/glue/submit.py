"""Writes the files that the test server of GLUE expects.

  python -m experiments.predict glue-submission \\
      --models runs/glue/model.safetensors \\
      --data.source DIR --output submission
"""

import dataclasses
import pathlib

import numpy as np

from experiments.data import files
from experiments.data import loader
from experiments.language.glue import data as glue_data
from experiments.language.glue import evaluator
from experiments.language.glue import glue_tasks
from experiments.language.glue import tsv
from experiments.runs import outside_files
from experiments.training import evaluation
import perceiver
from perceiver.models import glue


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubmitConfig:
  """Writes the files that the test server of GLUE expects.

  Each file, such as CoLA.tsv, has the columns "index" and "prediction": classes
  as the training files write them, degrees from 0 to 5 with three digits. Where
  several models answer a task, the last one does. AX.tsv is MNLI's model's, on
  diagnostic/diagnostic.tsv or TensorFlow Datasets' glue/ax.

  Attributes:
    models: models of GLUE, of one task or more.
    data: the test sets; the tokenizer of a run is in its folder.
    output: the folder for the files.
    batch_size: examples at a time.
  """

  models: tuple[pathlib.Path, ...]
  data: glue_data.DataConfig = glue_data.DataConfig()
  output: pathlib.Path
  batch_size: int = 64


def run(config: SubmitConfig) -> None:
  """Runs the command `predict glue-submission`; prints the files.

  Raises:
    FileNotFoundError: if a model is not there.
    perceiver.CheckpointError: if a model is damaged.
    files.InputError: if a model or a test set cannot be used.
  """
  written: dict[pathlib.Path, None] = {}
  for path in config.models:
    model, variables = perceiver.load(path)
    if not isinstance(model.config, glue.GlueConfig):
      raise files.InputError(
        f"{path} holds {type(model.config).__name__}; expected a model of GLUE"
      )
    names = tuple(task.name for task in model.config.tasks)
    folder = path if path.is_dir() else path.parent
    kept = outside_files.find(folder, "data.sentencepiece_model")
    data = dataclasses.replace(
      config.data,
      sentencepiece_model=config.data.sentencepiece_model or kept,
    )
    encoding = glue_data.encoder(
      data, model.config.max_length, model.config.text.vocab_size
    )
    tests = [
      (names.index(task.name), number, task, eval_split)
      for number, (task, eval_split) in enumerate(glue_data.eval_splits(names))
    ]
    tests += [
      (index, number, glue_tasks.AX, glue_tasks.AX.eval_splits[0])
      for index, number, task, _ in tests
      if task.name == "mnli"
    ][:1]
    for index, number, task, eval_split in tests:
      table = glue_data.read_test(config.data, task, eval_split, encoding)
      examples = [
        glue_data.TaskExample(example, index, number)
        for example in table.examples
      ]
      transform = glue_data.Transform(encoding)
      split = loader.Split(examples, transform, table.name)
      loop = evaluation.Loop(split=split, batch_size=config.batch_size)
      found = evaluator.predict(model, variables, names, loop)
      file = config.output / eval_split.submission
      files.write_text(file, contents(task, table, found["prediction"]))
      written[file] = None
  print(*written, sep="\n")


def contents(
  task: glue_tasks.Task,
  table: tsv.Table,
  predictions: np.ndarray,  # [n]
) -> str:
  """Returns a file's text: numbers of classes, or degrees, with their index."""
  lines = ["index\tprediction"]
  for example, prediction in zip(table.examples, predictions):
    if task.classes:
      value = task.classes[int(prediction)]
    else:
      value = f"{min(max(float(prediction), 0.0), glue_tasks.MAX_DEGREE):.3f}"
    lines.append(f"{example.number}\t{value}")
  return "\n".join(lines) + "\n"
