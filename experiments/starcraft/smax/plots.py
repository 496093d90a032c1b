"""Plots of a policy's decisions in battles of SMAX."""

import pathlib
from typing import Any

import numpy as np

from experiments.runs import plots
from experiments.starcraft import plots as starcraft_plots
from experiments.starcraft.smax import battles as smax_battles
from experiments.starcraft.smax import data
from experiments.starcraft.smax import entities
import perceiver

_STEPS = np.array([[0, 1], [1, 0], [0, -1], [-1, 0], [0, 0]])  # of moves


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
  figure, axes = starcraft_plots.panels(len(mask))
  for row, axis in enumerate(axes):
    one, right, chosen = starcraft_plots.row_of((seen, expert, found), row)
    starcraft_plots.draw_units(axis, one, 8 + one.health / 2, margin=2.0)
    for unit in np.flatnonzero((one.health > 0) & (one.owner == 0)):
      _action(axis, one, int(unit), right, chosen)
    starcraft_plots.name_end(axis, batch["won"][row])
  starcraft_plots.name_kinds(figure, [x.name for x in smax_battles.KINDS])
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
  colour = starcraft_plots.RIGHT if same else starcraft_plots.WRONG
  for there, shown in ((expected, starcraft_plots.EXPERT), (found, colour)):
    pair = zip(one.position[unit], there)
    axis.plot(*pair, color=shown, linewidth=1, zorder=0)
