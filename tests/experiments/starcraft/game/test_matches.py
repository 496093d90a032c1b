"""Scores of policies whose strength is known."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from experiments.starcraft import data
from experiments.starcraft import entities
from experiments.starcraft import evaluator
from experiments.starcraft import model as starcraft_model
from experiments.starcraft.game import matches
from experiments.starcraft.game import scenarios
from experiments.starcraft.game import scripted_policies
from experiments.starcraft.game import units
import perceiver
from tests.helpers import tiny_battles

BATTLES = scenarios.BattleConfig(num_slots=8, min_units=2, max_units=4)
CONFIG = matches.PlayingConfig(num_battles=80, num_steps=40)


@dataclasses.dataclass(frozen=True)
class Copy:
  """Stands for a model that has learned a script by heart."""

  script: object

  def apply(self, variables, seen, *, mask):
    """Returns decisions for what `entities.encode` gives."""
    del variables
    state = units.State(
      kind=jnp.argmax(seen[..., 5:9], axis=-1),
      owner=(seen[..., 0] < 0).astype(jnp.int32),
      position=seen[..., 9:11] * units.FIELD,
      health=jnp.where(mask, seen[..., 2] * 200, 0),
      cooldown=jnp.rint(seen[..., 3] * 4).astype(jnp.int32),
    )
    orders = self.script(state)
    return starcraft_model.Decisions(
      choices=jax.nn.one_hot(orders.choice, 3),
      targets=jax.nn.one_hot(orders.target, seen.shape[1]),
      winning=jnp.zeros(len(seen)),
    )


def surrender(state):
  """Tells everybody to hold."""
  return units.Orders(jnp.zeros_like(state.kind), jnp.zeros_like(state.kind))


def score(script, opponent, config=CONFIG, **options):
  return matches.score(Copy(script), None, opponent, BATTLES, config, **options)


def test_a_copy_is_its_models_equal():
  """Mirror images draw every battle."""
  assert score(
    scripted_policies.charge, scripted_policies.charge
  ) == pytest.approx(0.5, abs=0.05)


def test_the_teacher_beats_the_plain_script():
  assert score(scripted_policies.command, scripted_policies.charge) > 0.75


def test_who_holds_loses():
  assert score(surrender, scripted_policies.charge) == 0


def test_battles_are_counted_and_the_same_every_time():
  done = []
  few = dataclasses.replace(CONFIG, num_battles=70)
  one, other = (
    score(
      scripted_policies.command,
      scripted_policies.charge,
      few,
      on_progress=done.append,
    )
    for _ in range(2)
  )
  assert one == other
  assert done == [64, 70] * 2
  assert one * 140 == pytest.approx(round(one * 140), abs=1e-9)
  with pytest.raises(ValueError, match="num_battles is 0"):
    matches.PlayingConfig(num_battles=0)


def test_a_policy_sees_its_own_side():
  """Of a model that attacks unit 1 with what is its own."""
  state = tiny_battles.battle(
    *(tiny_battles.unit("soldier", side, side, side) for side in (0, 1)), free=6
  )
  model = perceiver.create(tiny_battles.policy_config())
  variables = model.init(jax.random.key(0))
  for side in (0, 1):
    found = matches.policy(model, variables, side)(state)
    seen, mask = entities.encode(state, side)
    decisions = model.apply(variables, seen, mask=mask)
    expected = jnp.argmax(decisions.choices, axis=-1)
    assert found.choice.tolist() == expected.tolist()


def test_the_judge_compares_every_state_once():
  settings = data.DataConfig(
    battles=tiny_battles.BATTLES,
    num_battles=1,
    num_eval_battles=3,
    num_moments=2,
    num_steps=8,
  )
  model = perceiver.create(tiny_battles.policy_config())
  variables = model.init(jax.random.key(0))
  split = data.splits(settings)[1]
  judge = lambda size: evaluator.Evaluator(
    model=model,
    split=split,
    battles=settings.battles,
    playing=matches.PlayingConfig(num_battles=2, num_steps=4),
    batch_size=size,
  )
  calls = []
  found = judge(4)(
    variables, on_progress=lambda done, total: calls.append((done, total))
  )
  assert calls == [(n, 10) for n in (4, 6, 8, 10)]
  assert (found.examples, found.expected) == (6, 6)
  assert found.split == "battles held out"
  assert judge(6)(variables).metrics == pytest.approx(found.metrics, abs=1e-5)
  loss = found.metrics["orders"] + 0.1 * found.metrics["winning"]
  assert found.metrics["loss"] == pytest.approx(loss, abs=1e-5)
  with pytest.raises(evaluator.evaluation.Abandoned):
    judge(4)(variables, should_stop=lambda: True)
