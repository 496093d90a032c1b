"""Battles of a few units, and a policy that trains in seconds."""

import jax.numpy as jnp
import numpy as np

from experiments.starcraft import model
from experiments.starcraft.game import scenarios
from experiments.starcraft.game import units
from perceiver import decoder
from perceiver.adapters import entities
from perceiver.models import starcraft
from tests.helpers import tiny_networks

SLOTS = 8
SCENARIO = scenarios.ScenarioConfig(num_slots=SLOTS, min_units=1, max_units=4)

_NAMES = [kind.name for kind in units.KINDS]


def unit(kind, owner, x, y=0.0, health=None, cooldown=0):
  """Returns a unit, of full health by default."""
  number = _NAMES.index(kind)
  health = units.KINDS[number].health if health is None else health
  return number, owner, (x, y), health, cooldown


def battle(*rows, free=0):
  """Returns one battle of units, with free slots at the end."""
  rows = [*rows, *[(0, 1, (0.0, 0.0), 0.0, 0)] * free]
  columns = [np.array(column)[None] for column in zip(*rows)]
  dtypes = (np.int32, np.int32, np.float32, np.float32, np.int32)
  return units.State(
    *(jnp.asarray(c, dtype) for c, dtype in zip(columns, dtypes))
  )


def actions(*names):
  """Returns the actions of a battle's units: "hold", "retreat" or a target."""
  kinds = {"hold": units.ActionKind.HOLD, "retreat": units.ActionKind.RETREAT}
  kind = [kinds.get(name, units.ActionKind.ATTACK) for name in names]
  target = [0 if name in kinds else name for name in names]
  return units.Actions(
    jnp.array([kind], jnp.int32), jnp.array([target], jnp.int32)
  )


def action_names(found):
  """Returns the names that `actions` takes, of one battle's actions."""
  pairs = zip(np.asarray(found.action_kind)[0], np.asarray(found.target)[0])
  names = {units.ActionKind.HOLD: "hold", units.ActionKind.RETREAT: "retreat"}
  return [names.get(kind, int(target)) for kind, target in pairs]


def permuted(state, order):
  """Returns the state with its slots in another order."""
  return units.State(*(x[:, order] for x in state))


PERCEIVER = tiny_networks.network_config(
  8,
  decoder.DecoderConfig(query_channels=8, output_channels=None),
  num_latents=3,
)
TRANSFORMER = starcraft.EntityTransformerConfig(
  channels=8, num_layers=1, num_heads=2
)


def policy_config(encoding=PERCEIVER):
  """Returns a policy of 8 channels for `SLOTS` slots."""
  return model.PolicyConfig(
    encoder=starcraft.EntityEncoderConfig(
      entities=entities.EntityInputConfig(num_slots=SLOTS, channels=8),
      encoder=encoding,
      output_channels=8,
    ),
    pointer_channels=4,
  )
