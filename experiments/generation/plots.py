"""Plots of generation."""

from experiments.runs import plots


def curve(unit: str) -> tuple[plots.Panel, ...]:
  """Returns the panels of the learning curve."""
  return (plots.Panel(f"bits_per_{unit}"), plots.Panel("accuracy"))
