"""Holds every path of attention on this device against float64 on the CPU.

  python -m scripts.benchmarking.paths            # sizes of the papers' models
  python -m scripts.benchmarking.paths --tiny     # a trial of the command

Prints the relative L2 error of outputs and gradients, and exits with 1 where
one is above its limit.
"""

from collections.abc import Callable, Iterator
import contextlib
import dataclasses
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tabulate
import tyro

from perceiver import layers
from perceiver.attention import cross_attention
from perceiver.attention import projections
from perceiver.attention import self_attention

# Largest relative errors of outputs and gradients, by dtype and precision of
# the matrix products. Operands of bfloat16 have eight bits, of TF32 eleven.
LIMITS = {
  ("float32", "highest"): (1e-5, 1e-4),
  ("float32", "default"): (2e-2, 5e-2),
  ("bfloat16", "default"): (2e-2, 5e-2),
}


@dataclasses.dataclass(frozen=True)
class Path:
  """An attention and the sizes of its arrays.

  Attributes:
    name: the part of a model that has it.
    heads: number of heads.
    qk_channels: channels of queries and keys.
    v_channels: channels of the values.
    queries: number of queries and their channels.
    inputs: number of inputs and their channels; None for self-attention.
    masked: whether a third of the inputs is masked.
  """

  name: str
  heads: int
  qk_channels: int
  v_channels: int
  queries: tuple[int, int]
  inputs: tuple[int, int] | None = None
  masked: bool = False

  @property
  def config(self) -> projections.AttentionConfig:
    """The sizes of the attention."""
    return projections.AttentionConfig(
      num_heads=self.heads,
      qk_channels=self.qk_channels,
      v_channels=self.v_channels,
      output_channels=self.queries[1],
    )


# Name, heads, channels of queries and keys, of values, queries, inputs, mask.
PATHS = (
  Path("flow encoder", 1, 512, 512, (2048, 512), (5001, 322)),
  Path("flow encoder, masked", 1, 512, 512, (2048, 512), (5001, 322), True),
  Path("image encoder", 1, 261, 261, (512, 1024), (8001, 261)),
  Path("video encoder", 1, 704, 704, (784, 512), (5001, 704)),
  Path("language encoder", 8, 256, 1280, (256, 1280), (2048, 768), True),
  Path("flow latents", 16, 512, 512, (2048, 512)),
  Path("image latents", 8, 1024, 1024, (512, 1024)),
  Path("language latents", 8, 256, 1280, (256, 1280)),
  Path("flow decoder", 1, 512, 512, (5001, 322), (2048, 512)),
  Path("language decoder", 8, 256, 768, (2048, 768), (256, 1280)),
)


def run(path: Path, arrays: Any, mask: Any) -> jax.Array:
  """Returns the attention of a path by the library."""
  weights, norm, queries, inputs = arrays
  if path.inputs is None:
    return self_attention.attend(path.config, weights, queries)
  if path.queries[0] <= path.inputs[0]:
    return cross_attention.attend(
      path.config, weights, norm, queries, (inputs,), input_mask=mask
    )
  keys_values = projections.project_keys_values(
    path.config, weights, norm(inputs), num_queries=queries.shape[1]
  )
  return projections.map_queries(
    path.config,
    keys_values,
    lambda x: projections.attend(path.config, weights, keys_values, x),
    queries,
  )


def formula(path: Path, arrays: Any, mask: Any) -> jax.Array:
  """Returns the same in the order of the papers, in the arrays' dtype."""
  weights, norm, queries, inputs = arrays
  if path.inputs is None:
    inputs = queries
  else:
    centred = inputs - inputs.mean(-1, keepdims=True)
    variance = jnp.square(centred).mean(-1, keepdims=True)
    inputs = centred / jnp.sqrt(variance + layers.LAYER_NORM_EPSILON)
    inputs = inputs * norm.scale + norm.offset
  query, key, value = (
    (x @ w + b).reshape(*x.shape[:-1], path.heads, -1)
    for x, (w, b) in zip((queries, inputs, inputs), weights)
  )
  scores = jnp.einsum("bthk,bshk->bhts", query, key) * path.config.scale
  if mask is not None:
    scores = jnp.where(mask[:, None, None], scores, -jnp.inf)
  attended = jnp.einsum("bhts,bshv->bthv", jax.nn.softmax(scores), value)
  w, b = weights.output
  return attended.reshape(*attended.shape[:2], -1) @ w + b


def random_arrays(path: Path) -> tuple[Any, np.ndarray | None]:
  """Returns weights, norm, queries and inputs, float64, and the mask."""
  generator = np.random.default_rng(0)
  normal: Callable[..., Any] = generator.standard_normal
  inputs = path.inputs or path.queries
  maps = (
    (path.queries[1], path.qk_channels),
    (inputs[1], path.qk_channels),
    (inputs[1], path.v_channels),
    (path.v_channels, path.queries[1]),
  )
  weights = projections.AttentionWeights(
    *(
      layers.LinearWeights(normal(m) / np.sqrt(m[0]), 0.1 * normal(m[1]))
      for m in maps
    )
  )
  norm = layers.NormWeights(
    1 + 0.1 * normal(inputs[1]), 0.1 * normal(inputs[1])
  )
  mask = generator.random((1, inputs[0])) > 1 / 3 if path.masked else None
  arrays = (weights, norm, normal((1, *path.queries)), normal((1, *inputs)))
  return arrays, mask


def _outcome(function: Callable[..., Any], path: Path, given: Any) -> Any:
  """Returns the output and the gradients of the mean of its sine."""
  arrays, mask = given

  def loss(arrays: Any) -> tuple[Any, Any]:
    y = function(path, arrays, mask)
    wide = jnp.promote_types(y.dtype, jnp.float32)
    return jnp.sum(jnp.sin(y.astype(wide))), y

  def both(arrays: Any) -> Any:
    gradients, y = jax.grad(loss, has_aux=True)(arrays)
    return y, gradients

  return jax.tree.map(np.float64, jax.jit(both)(arrays))


def errors(path: Path) -> Iterator[tuple[str, str, float, float]]:
  """Yields dtype, precision, and errors of the output and of the gradients."""
  given = random_arrays(path)
  with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
    expected = _outcome(formula, path, given)
  for dtype, precision in LIMITS:
    arrays, mask = given
    weights, norm, *data = jax.tree.map(np.float32, arrays)
    data = [jnp.asarray(x, dtype) for x in data]
    mask = None if mask is None else jnp.asarray(mask)
    with jax.default_matmul_precision(precision):
      found = _outcome(run, path, ((weights, norm, *data), mask))
    yield (
      dtype,
      precision,
      _relative(found[0], expected[0]),
      _relative(found[1], expected[1]),
    )


def _relative(found: Any, expected: Any) -> float:
  pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
  flat = [(np.ravel(x), np.ravel(y)) for x, y in pairs]
  x, y = (np.concatenate(side) for side in zip(*flat))
  return float(np.linalg.norm(x - y) / np.linalg.norm(y))


def _smaller(path: Path) -> Path:
  shrink = lambda size: size and (min(size[0], 600) // 3, size[1])
  return dataclasses.replace(
    path, queries=shrink(path.queries), inputs=shrink(path.inputs)
  )


def main(*, tiny: bool = False) -> int:
  """Prints the errors; returns the exit status.

  Args:
    tiny: take few queries and inputs, to try the command.
  """
  rows = []
  for path in PATHS:
    for dtype, precision, *found in errors(_smaller(path) if tiny else path):
      limits = LIMITS[dtype, precision]
      failed = any(not x <= y for x, y in zip(found, limits))
      cells = [f"{x:.1e} of {y:.0e}" for x, y in zip(found, limits)]
      verdict = "too large" if failed else ""
      rows.append((path.name, dtype, precision, *cells, verdict))
      print(*rows[-1], file=sys.stderr, flush=True)
  headers = ("attention", "dtype", "products", "outputs", "gradients", "")
  print(jax.devices()[0].device_kind)
  print(tabulate.tabulate(rows, headers, tablefmt="pipe"))
  return int(any(row[-1] for row in rows))


if __name__ == "__main__":
  with contextlib.suppress(BrokenPipeError):
    sys.exit(tyro.cli(main, description=__doc__))
