"""Scores of policies of known strength."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from experiments.starcraft import data
from experiments.starcraft import entities
from experiments.starcraft import model as starcraft_model
from experiments.starcraft import task
from experiments.starcraft.game import matches
from experiments.starcraft.game import scenarios
from experiments.starcraft.game import scripted_policies
from experiments.starcraft.game import units
from experiments.training import evaluation
import perceiver
from tests.helpers import tiny_battles

SCENARIO = scenarios.ScenarioConfig(num_slots=8, min_units=2, max_units=4)
CONFIG = matches.RolloutConfig(num_battles=80, num_steps=40)


@dataclasses.dataclass(frozen=True)
class ScriptedModel:
  """A model whose decisions are a scripted policy's actions."""

  policy: object

  def apply(self, variables, encoded, *, mask):
    """Returns decisions for entities of `entities.encode`."""
    del variables
    state = units.State(
      kind=jnp.argmax(encoded[..., 5:9], axis=-1),
      owner=(encoded[..., 0] < 0).astype(jnp.int32),
      position=encoded[..., 9:11] * units.FIELD,
      health=jnp.where(mask, encoded[..., 2] * 200, 0),
      cooldown=jnp.rint(encoded[..., 3] * 4).astype(jnp.int32),
    )
    actions = self.policy(state)
    return starcraft_model.Decisions(
      action_kinds=jax.nn.one_hot(actions.action_kind, 3),
      targets=jax.nn.one_hot(actions.target, encoded.shape[1]),
      winning=jnp.zeros(len(encoded)),
    )


def hold(state):
  """Returns HOLD for all units."""
  return units.Actions(jnp.zeros_like(state.kind), jnp.zeros_like(state.kind))


def score(policy, opponent, config=CONFIG, **options):
  return matches.score(
    ScriptedModel(policy), None, opponent, SCENARIO, config, **options
  )


def test_equal_policies_score_a_half():
  assert score(
    scripted_policies.baseline, scripted_policies.baseline
  ) == pytest.approx(0.5, abs=0.05)


def test_the_expert_beats_the_baseline():
  assert score(scripted_policies.expert, scripted_policies.baseline) > 0.75


def test_holding_loses():
  assert score(hold, scripted_policies.baseline) == 0


def test_battles_are_counted_and_the_same_every_time():
  done = []
  few = dataclasses.replace(CONFIG, num_battles=70)
  one, other = (
    score(
      scripted_policies.expert,
      scripted_policies.baseline,
      few,
      watch=evaluation.Watch(on_progress=lambda n, _: done.append(n)),
    )
    for _ in range(2)
  )
  assert one == other
  assert done == [64, 70] * 2
  assert one * 140 == pytest.approx(round(one * 140), abs=1e-9)
  with pytest.raises(ValueError, match="num_battles is 0"):
    matches.RolloutConfig(num_battles=0)


def test_a_policy_acts_for_its_own_side():
  state = tiny_battles.battle(
    *(tiny_battles.unit("soldier", side, side, side) for side in (0, 1)), free=6
  )
  model = perceiver.create(tiny_battles.policy_config())
  variables = model.init(jax.random.key(0))
  for side in (0, 1):
    found = matches.policy(model, variables, side)(state)
    encoded, mask = entities.encode(state, side)
    decisions = model.apply(variables, encoded, mask=mask)
    expected = jnp.argmax(decisions.action_kinds, axis=-1)
    assert found.action_kind.tolist() == expected.tolist()


def test_every_transition_is_evaluated_once():
  settings = data.DataConfig(
    scenario=tiny_battles.SCENARIO,
    num_battles=1,
    num_eval_battles=3,
    num_transitions=2,
    num_steps=8,
  )
  model = perceiver.create(tiny_battles.policy_config())
  variables = model.init(jax.random.key(0))
  make_evaluator = lambda size: task.Cloning(
    model=model,
    data=settings,
    rollouts=matches.RolloutConfig(num_battles=2, num_steps=4),
    eval_batch_size=size,
  ).make_evaluator()
  calls = []
  found = make_evaluator(4)(
    variables,
    evaluation.Watch(on_progress=lambda *counts: calls.append(counts)),
  )
  assert calls == [(n, 10) for n in (4, 6, 8, 10)]
  assert (found.examples, found.expected) == (6, 6)
  assert found.split == "battles held out"
  other = make_evaluator(6)(variables)
  assert other.metrics == pytest.approx(found.metrics, abs=1e-5)
  loss = found.metrics["actions"] + 0.1 * found.metrics["winning"]
  assert found.metrics["loss"] == pytest.approx(loss, abs=1e-5)
  with pytest.raises(evaluation.Abandoned):
    make_evaluator(4)(variables, evaluation.Watch(should_stop=lambda: True))
