"""Checks of raw examples, where data from outside enters."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Shaped

from perceiver import bounds

# What comes from outside may be anything, until these checks have refused it
# with an error that names component, value and expectation.
Unchecked = Shaped[Array, "..."]


def floats(
  component: str, array: Unchecked, shape: Sequence[int | str]
) -> None:
  """Refuses an array that is not floating point of the expected shape.

  Args:
    component: what the error names, such as "Audio input".
    array: [B, *shape].
    shape: sizes of the axes after the batch; a word stands for any size.

  Raises:
    ValueError: if the shape is another.
    TypeError: if the dtype is no floating point.
  """
  _shape(component, array, shape)
  if not jnp.issubdtype(array.dtype, jnp.floating):
    raise TypeError(
      f"{component}: the array has dtype {array.dtype}; expected floating "
      "point, in the range that the model was trained with."
    )


def reals(component: str, array: Unchecked, shape: Sequence[int | str]) -> None:
  """Refuses an array that has no real numbers, or not the expected shape.

  Args:
    component: what the error names, such as "Series times".
    array: [B, *shape].
    shape: sizes of the axes after the batch; a word stands for any size.

  Raises:
    ValueError: if the shape is another.
    TypeError: if the dtype is neither floating point nor integer.
  """
  _shape(component, array, shape)
  kinds = jnp.floating, jnp.integer
  if not any(jnp.issubdtype(array.dtype, kind) for kind in kinds):
    raise TypeError(
      f"{component}: the array has dtype {array.dtype}; expected real numbers."
    )


def flags(
  component: str, mask: Unchecked, shape: Sequence[bounds.Size]
) -> None:
  """Refuses a mask that is not boolean of exactly the expected shape.

  Raises:
    ValueError: if the shape is another.
    TypeError: if the dtype is not boolean.
  """
  if mask.shape != tuple(shape):
    raise ValueError(
      f"{component}: the mask has shape {tuple(mask.shape)}; expected "
      f"{list(shape)}."
    )
  if mask.dtype != jnp.bool_:
    raise TypeError(
      f"{component}: the mask has dtype {mask.dtype}; expected bool, True "
      "where something is."
    )


def _shape(
  component: str, array: Unchecked, shape: Sequence[int | str]
) -> None:
  found = array.shape[1:]
  if array.ndim != len(shape) + 1 or any(
    want != have
    for want, have in zip(shape, found)
    if not isinstance(want, str)
  ):
    raise ValueError(
      f"{component}: the array has shape {tuple(array.shape)}; expected "
      f"[batch, {', '.join(map(str, shape))}]."
    )
