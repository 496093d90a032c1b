"""Clouds of points, moved and scaled to a common position and size.

P points. A cloud that is normalised has mean 0 and lies in the unit cube,
[-1, 1]³, touching it.
"""

from typing import NamedTuple

import numpy as np


class Cloud(NamedTuple):
  """Points of a surface, in any order, and its class."""

  points: np.ndarray  # [P, 3] float32, in the surface's own units
  label: int  # number of its class


def centre(points: np.ndarray) -> np.ndarray:  # [P, 3] -> [P, 3]
  """Moves points so that their mean is 0."""
  return points - points.mean(axis=0, dtype=np.float64).astype(points.dtype)


def scale_to_cube(points: np.ndarray) -> np.ndarray:  # [P, 3] -> [P, 3]
  """Scales points, alike along all axes, so that they touch [-1, 1]³.

  Points that all lie at 0 stay there.
  """
  reach = np.abs(points).max()
  return points / reach if reach > 0 else points


def stretch(
  points: np.ndarray,  # [P, 3]
  most: float,
  generator: np.random.Generator,
) -> np.ndarray:  # [P, 3]
  """Scales every axis by a factor of its own, from 1 / most to most.

  Logarithms of the factors are uniform.

  Args:
    points: about 0.
    most: at least 1.
    generator: all randomness comes from it.
  """
  reach = np.log(most)
  factors = np.exp(generator.uniform(-reach, reach, 3))
  return points * factors.astype(points.dtype)


def scale_points(
  points: np.ndarray,  # [P, 3]
  amount: float,
  generator: np.random.Generator,
) -> np.ndarray:  # [P, 3]
  """Scales every point by a factor of its own, from 1 - amount to 1 + amount.

  Args:
    points: about 0.
    amount: in [0, 1).
    generator: all randomness comes from it.
  """
  factors = generator.uniform(1 - amount, 1 + amount, (len(points), 1))
  return points * factors.astype(points.dtype)
