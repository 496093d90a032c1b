"""Plots of a policy's decisions."""

import pathlib
from typing import Any

import jax
import numpy as np

from experiments.runs import plots
from experiments.starcraft import data
from experiments.starcraft import entities as starcraft_entities
from experiments.starcraft import objective
from experiments.starcraft.game import units
import perceiver

_NUM_LATENTS = 8
_COLOURS = ("tab:blue", "tab:orange")  # one's own units, the others
_MARKERS = ("o", "s", "^", "D")  # by kind
_CROSS = 240  # points², more than the largest unit has
_RIGHT, _WRONG, _EXPERT = "tab:green", "tab:red", "0.6"


CURVE = [
  plots.Panel("loss"),
  plots.Panel("action_accuracy"),
  plots.Panel("winning_accuracy"),
]


def battles(
  model: perceiver.Model,
  variables: Any,
  batch: dict[str, np.ndarray],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots the expert's and the policy's actions, one plot per battle."""
  state, expert = data.to_transition(batch)
  entities, mask = starcraft_entities.encode(state)
  predicted = objective.to_actions(model.apply(variables, entities, mask=mask))
  figure, axes = plots.pyplot().subplots(2, -(-len(mask) // 2), figsize=(13, 9))
  for axis in axes.flat[len(mask) :]:
    axis.axis("off")
  for row, axis in enumerate(axes.flat[: len(mask)]):
    one, expected, found = _row((state, expert, predicted), row)
    _units(axis, one, _size(one.health))
    _actions(axis, one, expected, found)
    won = batch["won"][row]
    axis.set_title(("is lost", "is a draw", "is won")[int(2 * won)], size=9)
  _kinds(figure)
  figure.suptitle(
    "actions of the blue army: lines to targets, crosses for retreat, nothing "
    "for hold;\ngreen: as the expert; red: otherwise, with the expert's in grey"
  )
  text = (
    "Battles seen from above, with the policy's choice for every blue unit; "
    "the other army is orange. "
    "Larger markers have more health; their shape is the kind of the unit. The "
    "title is the end that the battle took"
  )
  return plots.save(figure, path, text)


def _size(health: Any) -> Any:
  """Returns the area of a unit's marker in points²."""
  return 4 + health / 2


def _row(batch: Any, row: int) -> Any:
  """Returns one battle's arrays for NumPy."""
  return jax.tree.map(lambda x: np.asarray(x[row]), batch)


def _units(axis: Any, state: units.State, sizes: np.ndarray) -> None:
  """Plots the living units of one battle; arrays are [U, ...]."""
  alive = np.asarray(units.living(state))
  for side, colour in enumerate(_COLOURS):
    for kind, marker in enumerate(_MARKERS):
      shown = alive & (state.owner == side) & (state.kind == kind)
      positions = state.position[shown]
      axis.scatter(*positions.T, s=sizes[shown], c=colour, marker=marker)
  positions = np.asarray(state.position)[alive]
  x, y = (positions.min(axis=0) + positions.max(axis=0)) / 2
  reach = np.abs(positions - np.array([x, y])).max() + 1
  axis.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach))
  axis.set(xticks=[], yticks=[])
  axis.set_aspect("equal")


def _kinds(figure: Any) -> None:
  """Adds the names of the kinds of units below a figure."""
  for kind, marker in zip(units.KINDS, _MARKERS):
    figure.axes[0].plot([], [], marker, color="0.5", label=kind.name)
  figure.set_layout_engine("constrained")
  figure.legend(loc="outside lower center", ncols=len(_MARKERS))


def _actions(
  axis: Any,
  state: units.State,
  expert: units.Actions,
  predicted: units.Actions,
) -> None:
  """Plots the actions to army 0 of one battle; arrays are [U, ...]."""
  own = np.asarray(units.living(state)) & (state.owner == 0)
  for unit in np.flatnonzero(own).tolist():
    expected, found = (
      (int(actions.action_kind[unit]), int(actions.target[unit]))
      for actions in (expert, predicted)
    )
    if expected == found:
      _action(axis, state, unit, *found, _RIGHT)
    else:
      _action(axis, state, unit, *expected, _EXPERT)
      _action(axis, state, unit, *found, _WRONG)


def _action(
  axis: Any,
  state: units.State,
  unit: int,
  kind: int,
  target: int,
  colour: str,
) -> None:
  here, there = state.position[unit], state.position[target]
  if kind == units.ActionKind.ATTACK:
    axis.plot(*zip(here, there), color=colour, linewidth=1, zorder=0)
  if kind == units.ActionKind.RETREAT:
    axis.scatter(*here, s=_CROSS, c=colour, marker="x", zorder=0)


def attention(
  model: perceiver.Model,
  variables: Any,
  batch: dict[str, np.ndarray],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots the attention of some latents in one battle.

  Those are chosen whose attention differs most from battle to battle.
  """
  state = data.to_transition(batch).state
  entities, mask = starcraft_entities.encode(state)
  maps = model.attention_map(variables, entities, mask=mask)
  maps = np.asarray(maps).mean(axis=1)  # [B, N, M]
  chosen = np.argsort(-maps.std(axis=0).sum(axis=-1))[:_NUM_LATENTS]
  one = _row(state, 0)
  figure, axes = plots.pyplot().subplots(2, _NUM_LATENTS // 2, figsize=(13, 7))
  for axis, latent in zip(axes.flat, chosen):
    weights = maps[0, latent]  # [M]
    _units(axis, one, 4 + 250 * weights / weights.max())
    axis.set_title(f"latent {latent}, at most {weights.max():.0%}", size=9)
  _kinds(figure)
  figure.suptitle("attention of latents: the larger a unit, the more")
  text = (
    "Attention to the units of one battle in the first cross-attend, averaged "
    "over its heads: one picture for a latent. The area of a marker grows with "
    "the attention to its unit; above stands the share that the largest has"
  )
  return plots.save(figure, path, text)
