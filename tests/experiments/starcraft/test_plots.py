"""Pictures of battles."""

import numpy as np

from experiments.runs import plots as runs_plots
from experiments.starcraft import plots
from experiments.starcraft.game import units


def test_a_retreat_is_seen_around_the_largest_unit():
  healthiest = max(kind.health for kind in units.KINDS)
  one = np.zeros((1, 2))
  state = units.State(
    **dict.fromkeys(units.State._fields, np.zeros(1)) | {"position": one}
  )
  figure, axis = runs_plots.pyplot().subplots()
  plots._action(axis, state, 0, units.ActionKind.RETREAT, 0, "red")
  (cross,) = axis.collections
  assert cross.get_sizes()[0] > 2 * plots._size(healthiest)
  runs_plots.pyplot().close(figure)
