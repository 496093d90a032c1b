"""Plots of a policy's decisions."""

from collections.abc import Sequence
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
_MARKERS = ("o", "s", "^", "D", "P", "v")  # by kind
_CROSS = 240  # points², more than the largest unit has
RIGHT, WRONG, EXPERT = "tab:green", "tab:red", "0.6"


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
  figure, axes = panels(len(mask))
  for row, axis in enumerate(axes):
    one, expected, found = row_of((state, expert, predicted), row)
    draw_units(axis, one, _size(one.health))
    _actions(axis, one, expected, found)
    name_end(axis, batch["won"][row])
  name_kinds(figure, [kind.name for kind in units.KINDS])
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


def panels(count: int) -> tuple[Any, Any]:
  """Returns a figure with so many panels in two rows, and the panels."""
  figure, axes = plots.pyplot().subplots(2, -(-count // 2), figsize=(13, 9))
  for axis in axes.flat[count:]:
    axis.axis("off")
  return figure, axes.flat[:count]


def name_end(axis: Any, won: float) -> None:
  """Titles a battle by its end, of points for the policy's army."""
  axis.set_title(("is lost", "is a draw", "is won")[int(2 * won)], size=9)


def row_of(batch: Any, row: int) -> Any:
  """Returns one battle's arrays for NumPy."""
  return jax.tree.map(lambda x: np.asarray(x[row]), batch)


def draw_units(
  axis: Any, state: Any, sizes: np.ndarray, margin: float = 1.0
) -> None:
  """Plots the living units of one battle.

  Args:
    axis: where.
    state: `kind`, `owner` and `health` [U], `position` [U, 2].
    sizes: areas of the units' markers in points², [U].
    margin: room around the units, lengths.
  """
  alive = np.asarray(state.health > 0)
  for side, colour in enumerate(_COLOURS):
    for kind, marker in enumerate(_MARKERS):
      shown = alive & (state.owner == side) & (state.kind == kind)
      positions = state.position[shown]
      axis.scatter(*positions.T, s=sizes[shown], c=colour, marker=marker)
  positions = np.asarray(state.position)[alive]
  x, y = (positions.min(axis=0) + positions.max(axis=0)) / 2
  reach = np.abs(positions - np.array([x, y])).max() + margin
  axis.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach))
  axis.set(xticks=[], yticks=[])
  axis.set_aspect("equal")


def name_kinds(figure: Any, names: Sequence[str]) -> None:
  """Adds the names of the kinds of units below a figure."""
  for name, marker in zip(names, _MARKERS):
    figure.axes[0].plot([], [], marker, color="0.5", label=name)
  figure.set_layout_engine("constrained")
  figure.legend(loc="outside lower center", ncols=len(names))


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
      _action(axis, state, unit, *found, RIGHT)
    else:
      _action(axis, state, unit, *expected, EXPERT)
      _action(axis, state, unit, *found, WRONG)


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
  one = row_of(state, 0)
  figure, axes = panels(len(chosen))
  for axis, latent in zip(axes, chosen):
    weights = maps[0, latent]  # [M]
    draw_units(axis, one, 4 + 250 * weights / weights.max())
    axis.set_title(f"latent {latent}, at most {weights.max():.0%}", size=9)
  name_kinds(figure, [kind.name for kind in units.KINDS])
  figure.suptitle("attention of latents: the larger a unit, the more")
  text = (
    "Attention to the units of one battle in the first cross-attend, averaged "
    "over its heads: one picture for a latent. The area of a marker grows with "
    "the attention to its unit; above stands the share that the largest has"
  )
  return plots.save(figure, path, text)
