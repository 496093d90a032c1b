"""Costs that TPU kernels declare."""

import re


def declared(text):
  """Returns the costs of the kernels in a program's text."""
  text = text.replace(r"\22", '"')
  costs = re.findall(r"cost_estimate[^{]*{([^}]*)}", text)
  pairs = (re.findall(r"(\w+)[^\w]+(\d+)", cost) for cost in costs)
  return [{name: int(size) for name, size in each} for each in pairs]
