"""Metrics of whole sets, and the averages of table 14."""

import numpy as np
import pytest

from experiments.language.glue import configs
from experiments.language.glue import glue_tasks
from experiments.language.glue import scores

# 2107.14795 table 14: CoLA, MNLI-m, MNLI-mm, MRPC, QNLI, QQP, RTE, SST-2,
# STS-B and the average.
TABLE_14 = [
  (52.10, 84.60, 83.40, 84.80, 90.50, 89.20, 66.40, 93.50, 87.10, 80.95),
  (50.28, 85.56, 85.68, 85.75, 92.67, 91.05, 61.72, 93.98, 88.04, 81.14),
  (47.11, 84.53, 85.03, 87.25, 92.12, 90.22, 65.23, 94.38, 88.18, 81.16),
  (20.06, 74.11, 75.55, 77.00, 85.75, 88.23, 53.91, 89.00, 82.84, 71.45),
  (50.19, 83.22, 83.89, 87.24, 91.71, 90.12, 64.84, 93.17, 86.81, 80.95),
  (52.54, 84.13, 84.91, 86.03, 92.06, 90.46, 66.54, 93.98, 87.93, 81.76),
  (47.43, 82.03, 82.65, 89.58, 90.18, 89.20, 82.03, 93.17, 77.95, 81.49),
  (49.06, 82.14, 82.64, 89.84, 90.53, 89.40, 79.69, 93.17, 80.02, 81.76),
  (47.88, 82.05, 82.77, 90.36, 90.37, 89.49, 80.08, 93.75, 79.95, 81.79),
]
COLUMNS = (
  "cola_matthews",
  "mnli_matched_accuracy",
  "mnli_mismatched_accuracy",
  "mrpc_accuracy",
  "qnli_accuracy",
  "qqp_accuracy",
  "rte_accuracy",
  "sst2_accuracy",
  "stsb_pearson",
)


@pytest.mark.parametrize("row", TABLE_14)
def test_averages_of_table_14(row):
  *values, average = row
  found = dict(zip(COLUMNS, values))
  # Other metrics and WNLI do not count.
  found |= {"mrpc_f1": 1.0, "wnli_accuracy": 0.0, "cola_accuracy": 3.0}
  assert scores.score(found) == pytest.approx(average, abs=0.01)


def test_the_papers_numbers_of_the_recipes():
  for recipe, row in (
    ("multitask_shared_token", TABLE_14[6]),
    ("multitask_task_tokens", TABLE_14[7]),
    ("multitask", TABLE_14[8]),
  ):
    first, *also = configs.RESULTS[recipe].row()
    assert (first.metric, first.paper) == ("score", round(row[-1] / 100, 4))
    assert [(r.metric, r.paper) for r in also] == [
      (name, round(value / 100, 4)) for name, value in zip(COLUMNS, row)
    ]
  for prefix, row in (("", TABLE_14[4]), ("bert_", TABLE_14[3])):
    found = [configs.RESULTS[prefix + n].row() for n in glue_tasks.AVERAGED]
    assert [r.paper for results in found for r in results] == [
      round(value / 100, 4) for value in row[:-1]
    ]


def test_a_single_task():
  assert scores.score({"cola_matthews": 0.5, "cola_accuracy": 0.9}) == 0.5
  assert scores.score({"wnli_accuracy": 0.25}) == 0.25
  two = {"mnli_matched_accuracy": 0.5, "mnli_mismatched_accuracy": 0.75}
  assert scores.score(two) == 0.625
  assert scores.score({**two, "rte_accuracy": 0.375}) == 0.5


def test_half_of_mnli_is_no_score():
  with pytest.raises(ValueError, match=r"mnli: of .* only 1 are known"):
    scores.score({"mnli_matched_accuracy": 0.5})
  with pytest.raises(ValueError, match="no task's metric"):
    scores.score({"loss": 1.0})


LABELS = np.array([1, 1, 0, 0, 1])
GUESSES = np.array([1, 0, 1, 0, 1])


def test_metrics_of_classes():
  assert scores.METRICS["accuracy"](LABELS, GUESSES) == pytest.approx(3 / 5)
  # 2 right of 3 guessed and of 3 there are.
  assert scores.METRICS["f1"](LABELS, GUESSES) == pytest.approx(2 / 3)
  # (2·1 − 1·1) / √(3·3·2·2)
  assert scores.METRICS["matthews"](LABELS, GUESSES) == pytest.approx(1 / 6)


def test_metrics_of_degrees():
  labels, guesses = np.array([0.0, 1, 2, 4]), np.array([1.0, 3, 2, 9])
  # Sums of products 43, of squares 21 and 95, of values 7 and 15.
  expected = (4 * 43 - 7 * 15) / np.sqrt(35 * 155)
  assert scores.METRICS["pearson"](labels, guesses) == pytest.approx(expected)
  # Ranks 1 2 3 4 and 1 3 2 4: 1 − 6·2 / (4·15)
  assert scores.METRICS["spearman"](labels, guesses) == pytest.approx(0.8)
  assert scores.METRICS["spearman"](labels, -guesses) == pytest.approx(-0.8)


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman"])
def test_constants_correlate_with_nothing(name):
  metric = scores.METRICS[name]
  assert metric(LABELS, np.ones(5)) == 0
  assert metric(np.zeros(5), GUESSES) == 0
  assert metric(np.ones(5), np.ones(5)) == 0
  assert scores.METRICS["f1"](np.zeros(5), np.zeros(5)) == 0


def test_metrics_of_a_split():
  task = glue_tasks.TASKS["mrpc"]
  found = scores.split_metrics(task, task.eval_splits[0], LABELS, GUESSES)
  assert found == {
    "mrpc_accuracy": pytest.approx(0.6),
    "mrpc_f1": pytest.approx(2 / 3),
  }
