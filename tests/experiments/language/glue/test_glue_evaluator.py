"""Only an example's own task counts; metrics are of whole sets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data import loader
from experiments.language.glue import data
from experiments.language.glue import evaluator
from experiments.language.glue import texts
from experiments.language.glue import tsv
from experiments.language.text import tokenizers
from experiments.training import evaluation

NAMES = ("rte", "stsb", "mnli")
BATCH = {
  "task": jnp.array([0, 1, 2, 1]),
  "label": jnp.array([1.0, 5.0, 2.0, 2.5]),
}
OUTPUTS = {
  "rte": jnp.array([[0.0, np.log(3.0)], [5, 0], [7, 0], [9, 1]]),
  "stsb": jnp.array([[3.0], [0.5], [-4], [-0.2]]),
  "mnli": jnp.array([[9.0, 0, 0], [9, 0, 0], [np.log(2.0), 0, 0], [0, 1, 2]]),
}


def test_answers():
  found = evaluator.answers(NAMES, OUTPUTS, BATCH)
  # −log ¾; (½ − 1)²; −log ¼; (−⅕ − 0)²
  expected = [np.log(4 / 3), 0.25, np.log(4), 0.04]
  np.testing.assert_allclose(found.loss, expected, rtol=1e-6)
  np.testing.assert_allclose(found.predictions, [1, 3.75, 0, 2], rtol=1e-6)


def test_other_tasks_get_no_gradient():
  loss = lambda outputs: evaluator.answers(NAMES, outputs, BATCH).loss.sum()
  gradient = jax.grad(loss)(OUTPUTS)
  expected = {"rte": [0], "stsb": [1, 3], "mnli": [2]}
  for name, rows in expected.items():
    used = np.any(np.asarray(gradient[name]) != 0, axis=-1)
    assert np.flatnonzero(used).tolist() == rows


class Longest:
  """Predicts class 1 for more than three bytes, and the length as degree."""

  def apply(self, variables, ids, *, input_mask):
    length = input_mask.sum(axis=1)
    above = jnp.where(length > 3, 1.0, -1.0) * variables
    return {
      "cola": jnp.stack([-above, above], axis=1),
      "stsb": (length[:, None] - 1) / 2.5 - 1,  # pairs have a separator
    }


def split():
  cola = [("abcd", 1), ("ab", 0), ("a", 0), ("abcde", 0), ("bcdef", 1)]
  tables = [
    tsv.Table("c", [tsv.Example((t,), x, "0") for t, x in cola], ()),
    tsv.Table(
      "s",
      [tsv.Example(("a" * i, ""), 5 - i, "0") for i in (1, 3, 2)],
      (),
    ),
  ]
  mixed = [
    data.TaskExample(example, i, i)
    for i, table in enumerate(tables)
    for example in table.examples
  ]
  encoder = texts.Encoder(tokenizers.Bytes(), 8)
  return loader.Split(mixed, data.Transform(encoder), "tiny dev")


def evaluate(batch_size):
  return evaluator.Evaluator(
    model=Longest(),
    names=("cola", "stsb"),
    split=split(),
    batch_size=batch_size,
  )


@pytest.mark.parametrize("batch_size", [3, 8])
def test_metrics_are_of_whole_sets(batch_size):
  progress = []
  found = evaluate(batch_size)(
    jnp.ones([]),
    evaluation.Watch(on_progress=lambda *counts: progress.append(counts)),
  )
  # 2 right of 3 guessed and of 2 there are: (2·2 − 1·0) / √(3·2·2·3)
  matthews = 4 / 6
  assert found.metrics["cola_matthews"] == pytest.approx(matthews)
  assert found.metrics["cola_accuracy"] == pytest.approx(0.8)
  assert found.metrics["stsb_pearson"] == pytest.approx(-1)
  assert found.metrics["stsb_spearman"] == pytest.approx(-1)
  assert found.metrics["score"] == pytest.approx((matthews - 1) / 2)
  assert (found.examples, found.expected, found.split) == (8, 8, "tiny dev")
  assert progress[-1] == (8, 8)
  # Four are right by e²: log(1 + e⁻²); one wrong; degrees off by 3, 1 and 1.
  losses = [np.log1p(np.exp(-2))] * 4 + [np.log1p(np.exp(2))]
  losses += [(3 / 2.5) ** 2, (1 / 2.5) ** 2, (1 / 2.5) ** 2]
  assert found.metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_evaluation_can_be_stopped():
  with pytest.raises(evaluation.Abandoned):
    evaluate(3)(jnp.ones([]), evaluation.Watch(should_stop=lambda: True))
