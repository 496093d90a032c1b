"""The nine tasks of GLUE: files, columns, labels, sizes and metrics.

Names are those of `perceiver.models.glue`. WNLI counts in no average, as in the
papers.
"""

import dataclasses
from typing import NamedTuple

from perceiver.models import glue


class EvalSplit(NamedTuple):
  """A development set of a task and its test set, without public labels."""

  dev_count: int | None  # official number of examples; None if not certain
  test_count: int
  submission: str  # name of the file that the test server expects
  suffix: str = ""  # of the names of its files and splits, such as "_matched"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
  """A task about a sentence or a pair of them.

  Attributes:
    name: as in `perceiver.models.glue`.
    folder: the folder of the official files.
    texts: names of the columns of one or two texts.
    tfds_texts: names of the same features in TensorFlow Datasets; those of
      `texts` if None.
    label: name of the label's column.
    classes: labels as the files spell them, in the order of the logits; empty
      for a degree from 0 to 5.
    headerless: the columns of training and development files where these have
      no header.
    test_index: name of the test file's column that identifies a line.
    test_file: name of the test file, if it is not test and a suffix.
    train_count: the official number of examples; None if it is not certain.
    eval_splits: development and test sets.
    metrics: of a development set; the first is the one of the paper's
      averages (2107.14795 appendix F.4).
  """

  name: str
  folder: str
  texts: tuple[str, ...]
  tfds_texts: tuple[str, ...] | None = None
  label: str = "label"
  classes: tuple[str, ...] = ("0", "1")
  headerless: tuple[str, ...] = ()
  test_index: str = "index"
  test_file: str | None = None
  train_count: int | None
  eval_splits: tuple[EvalSplit, ...]
  metrics: tuple[str, ...] = ("accuracy",)

  @property
  def num_outputs(self) -> int:
    """Logits of the task's head; one number for a degree."""
    return len(self.classes) or 1

  @property
  def config(self) -> glue.TaskConfig:
    """The task's head in a model."""
    return glue.TaskConfig(name=self.name, num_outputs=self.num_outputs)

  @property
  def main_metrics(self) -> tuple[str, ...]:
    """Names of the metric of the averages, of each development set."""
    return tuple(
      f"{self.name}{split.suffix}_{self.metrics[0]}"
      for split in self.eval_splits
    )


MAX_DEGREE = 5.0  # of likeness, in STS-B
_ENTAILMENT = ("entailment", "not_entailment")
_PAIR = ("sentence1", "sentence2")


_ALL = (
  Task(
    name="cola",
    folder="CoLA",
    texts=("sentence",),
    headerless=("source", "label", "star", "sentence"),
    train_count=8551,
    eval_splits=(EvalSplit(1043, 1063, "CoLA.tsv"),),
    metrics=("matthews", "accuracy"),
  ),
  Task(
    name="mnli",
    folder="MNLI",
    texts=_PAIR,
    tfds_texts=("premise", "hypothesis"),
    label="gold_label",
    classes=("entailment", "neutral", "contradiction"),
    train_count=392_702,
    eval_splits=(
      EvalSplit(9815, 9796, "MNLI-m.tsv", "_matched"),
      EvalSplit(9832, 9847, "MNLI-mm.tsv", "_mismatched"),
    ),
  ),
  Task(
    name="mrpc",
    folder="MRPC",
    texts=("#1 String", "#2 String"),
    tfds_texts=_PAIR,
    label="Quality",
    train_count=3668,
    eval_splits=(EvalSplit(408, 1725, "MRPC.tsv"),),
    metrics=("accuracy", "f1"),
  ),
  Task(
    name="qnli",
    folder="QNLI",
    texts=("question", "sentence"),
    classes=_ENTAILMENT,
    train_count=104_743,
    eval_splits=(EvalSplit(5463, 5463, "QNLI.tsv"),),
  ),
  Task(
    name="qqp",
    folder="QQP",
    texts=("question1", "question2"),
    label="is_duplicate",
    test_index="id",
    train_count=None,  # releases differ by a few lines
    eval_splits=(EvalSplit(None, 390_965, "QQP.tsv"),),
    metrics=("accuracy", "f1"),
  ),
  Task(
    name="rte",
    folder="RTE",
    texts=_PAIR,
    classes=_ENTAILMENT,
    train_count=2490,
    eval_splits=(EvalSplit(277, 3000, "RTE.tsv"),),
  ),
  Task(
    name="sst2",
    folder="SST-2",
    texts=("sentence",),
    train_count=67_349,
    eval_splits=(EvalSplit(872, 1821, "SST-2.tsv"),),
  ),
  Task(
    name="stsb",
    folder="STS-B",
    texts=_PAIR,
    label="score",
    classes=(),
    train_count=5749,
    eval_splits=(EvalSplit(1500, 1379, "STS-B.tsv"),),
    metrics=("pearson", "spearman"),
  ),
  Task(
    name="wnli",
    folder="WNLI",
    texts=_PAIR,
    train_count=635,
    eval_splits=(EvalSplit(71, 146, "WNLI.tsv"),),
  ),
)
TASKS: dict[str, Task] = {task.name: task for task in _ALL}
# The diagnostic set, which MNLI's model answers and the test server wants.
AX = dataclasses.replace(
  TASKS["mnli"],
  name="ax",
  folder="diagnostic",
  train_count=None,
  eval_splits=(EvalSplit(None, 1104, "AX.tsv"),),
  test_file="diagnostic.tsv",
)
# Sentences with the mean of twenty people's ratings, from -4 to 4 (Hutto and
# Gilbert, ICWSM 2014); they are learned as degrees from 0 to 5.
RATED: dict[str, Task] = {
  name: Task(
    name=name,
    folder=name.capitalize(),
    texts=("sentence",),
    label="score",
    classes=(),
    train_count=train,
    eval_splits=(EvalSplit(dev, 0, ""),),
    metrics=("sign_accuracy", "pearson"),
  )
  for name, train, dev in (
    ("films", 8484, 2121),
    ("products", 2967, 741),
    ("news", 4152, 1038),
    ("tweets", 3360, 840),
  )
}
ALL = TASKS | RATED
# Those of the papers' averages.
AVERAGED = tuple(name for name in TASKS if name != "wnli")
