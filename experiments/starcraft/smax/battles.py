"""Battles of SMAX: small armies after StarCraft II, simulated in JAX.

SMAX is a benchmark of the package `jaxmarl` (Rutherford et al., 2311.10090;
Apache-2.0). Army 0 are its allies, army 1 its enemies, whom the package's
heuristic policy commands: a unit strikes the nearest enemy in its range until
that is dead, otherwise goes to a random one in its sight, otherwise across the
map. B battles, N allies, E enemies, U slots for units, allies first.
"""

from collections.abc import Callable, Iterator
import contextlib
import enum
import functools
import importlib
import io
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.data import files

Array = jax.Array

# Units of both armies.
SIZES = {
  "3m": (3, 3),
  "2s3z": (5, 5),
  "25m": (25, 25),
  "3s5z": (8, 8),
  "8m": (8, 8),
  "5m_vs_6m": (5, 6),
  "10m_vs_11m": (10, 11),
  "27m_vs_30m": (27, 30),
  "3s5z_vs_3s6z": (8, 9),
  "3s_vs_5z": (3, 5),
  "6h_vs_8z": (6, 8),
  "smacv2_5_units": (5, 5),
  "smacv2_10_units": (10, 10),
  "smacv2_20_units": (20, 20),
}
HALF_WIDTH = 16.0  # of the map, in its units of length
MAX_STEPS = 100  # of a battle
_INSTALL = "`pip install -e '.[smax]'`"


class Kind(NamedTuple):
  """A kind of units."""

  name: str
  health: float  # of an unharmed unit
  cooldown: float  # seconds from one strike to the next


KINDS = (
  Kind("marine", health=45, cooldown=0.61),
  Kind("marauder", health=125, cooldown=1.07),
  Kind("stalker", health=160, cooldown=1.87),
  Kind("zealot", health=150, cooldown=0.86),
  Kind("zergling", health=35, cooldown=0.5),
  Kind("hydralisk", health=80, cooldown=0.59),
)


class ActionKind(enum.IntEnum):
  """Kinds of actions; all but attacks have the numbers of SMAX."""

  UP = 0
  RIGHT = 1
  DOWN = 2
  LEFT = 3
  STOP = 4
  ATTACK = 5


class Actions(NamedTuple):
  """Actions of the units of B battles."""

  action_kind: Array  # [B, U] integers, of ActionKind
  target: Array  # [B, U] integers, the slot to attack; 0 for other kinds


class Units(NamedTuple):
  """Units of B battles as the allies see them."""

  kind: Array  # [B, U] integers, indices into KINDS
  owner: Array  # [B, U] integers, the army
  position: Array  # [B, U, 2] float32, from the middle of the map
  health: Array  # [B, U] float32, 0 in free slots and for unseen units
  cooldown: Array  # [B, U] float32, seconds until it may strike again
  movement: Array  # [B, U, 2] float32, direction of its last action
  aim: Array  # [B, U] integers, slot of its last target; its own for none


class Battles(NamedTuple):
  """B battles in progress."""

  state: Any  # SMAX's
  memories: tuple[Any, Any]  # the heuristic policy's, of the units of an army


# Actions of the allies, [B, N] in SMAX's numbers, from what they see, and from
# SMAX's mask of available actions, [B, N, 5 + E].
Policy = Callable[[Units, Array], Array]


@functools.cache
def _library() -> tuple[Any, Any]:
  """Returns the modules of SMAX and of its heuristic policy.

  Raises:
    files.InputError: if the package is not installed.
  """
  where = "jaxmarl.environments.smax"
  try:
    with _unprinted():
      names = (f"{where}.smax_env", f"{where}.heuristic_enemy")
      environment, heuristic = map(importlib.import_module, names)
  except ImportError as error:
    raise files.InputError(
      f'SMAX needs jaxmarl ({error}); install the extra "smax", {_INSTALL}'
    ) from error
  return environment, heuristic


@contextlib.contextmanager
def _unprinted() -> Iterator[None]:
  """Drops what is printed, and keeps the streams of this process.

  Importing jaxmarl prints which parts it lacks, and leaves in `sys.stdout` and
  `sys.stderr` what Python started with.
  """
  names = ("stdout", "stderr", "__stdout__", "__stderr__")
  kept = {name: getattr(sys, name) for name in names}
  try:
    for name in names:
      setattr(sys, name, io.StringIO())
    yield
  finally:
    for name, stream in kept.items():
      setattr(sys, name, stream)


@functools.cache
def environment(scenario: str) -> Any:
  """Returns SMAX's environment of a scenario, a key of SIZES.

  Raises:
    files.InputError: if the package is not installed.
  """
  module, _ = _library()
  # It makes arrays and is kept: none of a trace, nor of 64 bits.
  with jax.enable_x64(False), jax.ensure_compile_time_eval():
    found = module.SMAX(scenario=module.map_name_to_scenario(scenario))
  if (found.num_allies, found.num_enemies) != SIZES[scenario]:
    raise files.InputError(
      f"SMAX's {scenario} has {found.num_allies} against {found.num_enemies} "
      f"units; expected {SIZES[scenario]}, those of jaxmarl 0.2"
    )
  return found


def begin(scenario: str, key: Array, count: int) -> Battles:
  """Returns first states of `count` battles."""
  _, state = jax.vmap(environment(scenario).reset)(jax.random.split(key, count))
  _, heuristic = _library()
  blank = heuristic.get_heuristic_policy_initial_state()

  def memory(units: int) -> Any:
    shape = (count, units)
    return jax.tree.map(
      lambda x: jnp.broadcast_to(x, (*shape, *jnp.shape(x))), blank
    )

  allies, enemies = SIZES[scenario]
  return Battles(state, (memory(allies), memory(enemies)))


def orders(
  scenario: str, battles: Battles, key: Array
) -> tuple[Array, Battles]:  # [B, N + E] integers
  """Returns the heuristic's actions of all units, and what it remembers."""
  env, (_, heuristic) = environment(scenario), _library()
  observed = jax.vmap(env.get_obs_unit_list)(battles.state)
  observed = jnp.stack([observed[name] for name in env.agents], axis=1)
  actions, memories = [], []
  parts = jnp.split(observed, [env.num_allies], axis=1)  # [B, N or E, …]
  for side, (part, memory) in enumerate(zip(parts, battles.memories)):
    act = heuristic.create_heuristic_policy(env, side)
    keys = jax.random.split(jax.random.fold_in(key, side), part.shape[:2])
    found, kept = jax.vmap(jax.vmap(act))(keys, memory, part)
    actions.append(found)
    memories.append(kept)
  one, other = memories
  return jnp.concatenate(actions, axis=1), Battles(battles.state, (one, other))


def step(
  scenario: str, battles: Battles, actions: Array, key: Array
) -> Battles:
  """Returns the battles after actions [B, N + E]; ended ones stay."""
  env = environment(scenario)

  def once(key: Array, state: Any, actions: Array) -> Any:
    named = dict(zip(env.agents, actions))
    after = env.step_env(key, state, named)[1]
    return jax.tree.map(lambda x, y: jnp.where(state.done, x, y), state, after)

  keys = jax.random.split(key, len(actions))
  return battles._replace(state=jax.vmap(once)(keys, battles.state, actions))


def points(scenario: str, battles: Battles) -> Array:  # [B]
  """Returns the allies' points.

  1 if they alone live, which SMAX counts as won, 0 if the others alone do, 0.5
  otherwise.
  """
  alive = battles.state.unit_alive  # [B, N + E]
  own, other = (
    jnp.any(x, axis=1) for x in jnp.split(alive, [SIZES[scenario][0]], axis=1)
  )
  return 0.5 + 0.5 * (own & ~other) - 0.5 * (other & ~own)


def observe(scenario: str, battles: Battles, num_slots: int) -> Units:
  """Returns the units that some living ally sees, and the allies themselves."""
  env, state = environment(scenario), battles.state
  allies, total = env.num_allies, env.num_agents
  position = state.unit_positions - HALF_WIDTH  # [B, N + E, 2]
  offset = position[:, :allies, None] - position[:, None]  # [B, N, N + E, 2]
  sight = jnp.asarray(env.unit_type_sight_ranges)[state.unit_types]
  near = jnp.linalg.norm(offset, axis=-1) < sight[:, :allies, None]
  seen = jnp.any(near & state.unit_alive[:, :allies, None], axis=1)
  seen = (seen | (jnp.arange(total) < allies)) & state.unit_alive
  found = Units(
    kind=state.unit_types.astype(jnp.int32),
    owner=jnp.broadcast_to(jnp.arange(total) >= allies, seen.shape) * 1,
    position=position,
    health=jnp.where(seen, state.unit_health, 0),
    cooldown=jnp.maximum(state.unit_weapon_cooldowns, 0),
    movement=state.prev_movement_actions,
    aim=_aims(scenario, state.prev_attack_actions),
  )
  hide = lambda x: jnp.where(
    seen.reshape(seen.shape + (1,) * (x.ndim - 2)), x, 0
  )
  free = [(0, 0), (0, num_slots - total), (0, 0)]
  return Units(*(jnp.pad(hide(x), free[: x.ndim]) for x in found))


def _aims(scenario: str, attacks: Array) -> Array:  # [B, N + E] integers
  """Returns the slots of last targets; enemies count the allies backwards."""
  allies, enemies = SIZES[scenario]
  slots = jnp.arange(allies + enemies)
  number = attacks - ActionKind.ATTACK
  slot = jnp.where(slots < allies, allies + number, allies - 1 - number)
  return jnp.where(number >= 0, slot, slots)


def from_smax(
  scenario: str, actions: Array, num_slots: int
) -> Actions:  # of actions [B, N] of the allies
  """Returns the allies' actions in slots; other slots stop."""
  allies, _ = SIZES[scenario]
  kind = jnp.minimum(actions, ActionKind.ATTACK)
  target = jnp.where(kind == ActionKind.ATTACK, actions - kind + allies, 0)
  free = [(0, 0), (0, num_slots - allies)]
  return Actions(
    jnp.pad(kind, free, constant_values=ActionKind.STOP), jnp.pad(target, free)
  )


def play(
  scenario: str, key: Array, count: int, policy: Policy | None, num_slots: int
) -> Array:  # [B]
  """Returns the allies' points in battles against the heuristic policy.

  Args:
    scenario: a key of SIZES.
    key: random key; the first states are those of the key.
    count: B.
    policy: of the allies; the heuristic itself if None.
    num_slots: U, of the policy's observations.
  """
  env = environment(scenario)
  begin_key, steps_key = jax.random.split(key)

  def once(now: Battles, key: Array) -> tuple[Battles, None]:
    order_key, step_key = jax.random.split(key)
    actions, now = orders(scenario, now, order_key)
    if policy is not None:
      available = jax.vmap(env.get_avail_actions)(now.state)
      mask = jnp.stack([available[n] for n in env.agents[: env.num_allies]], 1)
      own = policy(observe(scenario, now, num_slots), mask > 0)
      actions = actions.at[:, : env.num_allies].set(own)
    return step(scenario, now, actions, step_key), None

  first = begin(scenario, begin_key, count)
  keys = jax.random.split(steps_key, MAX_STEPS)
  return points(scenario, jax.lax.scan(once, first, keys)[0])


def random_moves(key: Array, shape: tuple[int, ...]) -> Array:
  """Samples moves in the four directions, in SMAX's numbers."""
  return jax.random.randint(key, shape, 0, int(ActionKind.STOP))


def full_health(kind: Array | np.ndarray) -> Array:
  """Returns the health of unharmed units of these kinds."""
  return jnp.asarray([kind.health for kind in KINDS], jnp.float32)[kind]
