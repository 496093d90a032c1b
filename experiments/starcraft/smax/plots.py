"""Plots of a policy's decisions in battles of SMAX."""

import pathlib
from typing import Any

import jax
import numpy as np

from experiments.runs import plots
from experiments.starcraft.smax import battles as smax_battles
from experiments.starcraft.smax import data
from experiments.starcraft.smax import entities
import perceiver

_COLOURS = ("tab:blue", "tab:orange")  # allies, enemies
_MARKERS = ("o", "P", "D", "s", "^", "v")  # by kind
_RIGHT, _WRONG, _EXPERT = "tab:green", "tab:red", "0.6"
_STEPS = np.array([[0, 1], [1, 0], [0, -1], [-1, 0], [0, 0]])  # of moves

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
  """Plots the heuristic's and the policy's actions, one plot per battle."""
  seen, expert = data.to_transition(batch)
  inputs, mask = entities.encode(seen)
  decisions = model.apply(variables, inputs, mask=mask)
  found = smax_battles.Actions(
    decisions.action_kinds.argmax(-1), decisions.targets.argmax(-1)
  )
  figure, axes = plots.pyplot().subplots(2, -(-len(mask) // 2), figsize=(13, 9))
  for axis in axes.flat[len(mask) :]:
    axis.axis("off")
  for row, axis in enumerate(axes.flat[: len(mask)]):
    one, right, chosen = _row((seen, expert, found), row)
    _units(axis, one)
    for unit in np.flatnonzero((one.health > 0) & (one.owner == 0)):
      _action(axis, one, int(unit), right, chosen)
    won = batch["won"][row]
    axis.set_title(("is lost", "is a draw", "is won")[int(2 * won)], size=9)
  for kind, marker in zip(smax_battles.KINDS, _MARKERS):
    axes.flat[0].plot([], [], marker, color="0.5", label=kind.name)
  figure.set_layout_engine("constrained")
  figure.legend(loc="outside lower center", ncols=len(_MARKERS))
  figure.suptitle(
    "actions of the blue army: lines to targets, short ones for moves;\n"
    "green: as the heuristic; red: otherwise, with the heuristic's in grey"
  )
  text = (
    "Battles seen from above, with the policy's choice for every blue unit, "
    "and the orange units that a blue one sees. Larger markers have more "
    "health; their shape is the kind of the unit. The title is the end of the "
    "battle"
  )
  return plots.save(figure, path, text)


def _row(batch: Any, row: int) -> Any:
  """Returns one battle's arrays for NumPy."""
  return jax.tree.map(lambda x: np.asarray(x[row]), batch)


def _units(axis: Any, one: smax_battles.Units) -> None:
  """Plots the living units of one battle; arrays are [U, …]."""
  for side, colour in enumerate(_COLOURS):
    for kind, marker in enumerate(_MARKERS):
      shown = (one.health > 0) & (one.owner == side) & (one.kind == kind)
      sizes = 8 + one.health[shown] / 2
      axis.scatter(*one.position[shown].T, s=sizes, c=colour, marker=marker)
  shown = one.position[one.health > 0]
  x, y = (shown.min(axis=0) + shown.max(axis=0)) / 2
  reach = np.abs(shown - np.array([x, y])).max() + 2  # lengths
  axis.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach))
  axis.set(xticks=[], yticks=[])
  axis.set_aspect("equal")


def _action(
  axis: Any,
  one: smax_battles.Units,
  unit: int,
  right: smax_battles.Actions,
  chosen: smax_battles.Actions,
) -> None:
  """Plots a unit's action, and the heuristic's where that is another."""

  def end(actions: smax_battles.Actions) -> np.ndarray:
    kind = int(actions.action_kind[unit])
    if kind == smax_battles.ActionKind.ATTACK:
      return np.asarray(one.position[actions.target[unit]])
    return one.position[unit] + 1.5 * _STEPS[kind]

  expected, found = end(right), end(chosen)
  same = bool(np.all(expected == found))
  for there, colour in (
    (expected, _EXPERT),
    (found, _RIGHT if same else _WRONG),
  ):
    pair = zip(one.position[unit], there)
    axis.plot(*pair, color=colour, linewidth=1, zorder=0)
