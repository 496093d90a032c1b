"""From latents to any points of several modalities.

Queries of a modality are positions of a grid or learned vectors; a learned
vector of the modality brings them to a common number of channels. One
cross-attention decodes all, then each modality has a linear map of its own
(2107.14795 appendix I).
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import math

import haiku as hk
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32, Integer

from perceiver import blocks
from perceiver import bounds
from perceiver import decoder
from perceiver import layers
from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.adapters import multimodal
from perceiver.attention import input_parts
from perceiver.attention import reference

Queries = Callable[[Integer[Array, "O"]], input_parts.QueryParts]
OutputMap = Callable[[Float[Array, "B O E"]], Float[Array, "B O F"]]

# Queries that exist at a time. Each such block prepares the latents anew, which
# costs one per cent of what it then computes.
_BLOCK_QUERIES = 2**15


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputConfig:
  """One modality that is decoded.

  Attributes:
    name: under which it is returned; names parameters too.
    grid: the shape of its points.
    positions: the queries of the points: Fourier encodings of their
      positions, or one learned vector for each.
    channels: channels of a point.
    joined: whether the channels of all points form one row: audio, several
      samples a point, or a vector, a single point.
  """

  name: str
  grid: tuple[int, ...]
  positions: position_encoding.Fourier | position_encoding.Learned
  channels: int
  joined: bool = False

  def __post_init__(self) -> None:
    bounds.check(self, "grid", "channels")
    _ = self.query_channels
    position_encoding.check_grid(self.positions, self.grid)

  @property
  def num_points(self) -> int:
    """The number of points."""
    return math.prod(self.grid)

  @property
  def query_channels(self) -> int:
    """Channels of a query before padding."""
    return position_encoding.num_channels(self.positions, len(self.grid))


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultimodalOutputConfig:
  """All modalities that are decoded.

  Attributes:
    outputs: in any order.
    min_padding: channels of the learned vector of the widest queries; those
      of the others are as wide as it takes.
    init_scale: variance scaling of the initial weights of every modality's own
      linear map.
  """

  outputs: tuple[OutputConfig, ...]
  min_padding: int = 2
  init_scale: float = layers.TRUNCATED_VARIANCE

  def __post_init__(self) -> None:
    bounds.check(self, min_padding="[0, inf)", init_scale="[0, inf)")
    names = [output.name for output in self.outputs]
    if not names or len(set(names)) < len(names):
      raise ValueError(
        f"Multimodal output: the modalities are {names}; expected at least "
        "one, and no name twice."
      )

  @property
  def query_channels(self) -> int:
    """Channels E of the queries with their padding."""
    return max(x.query_channels for x in self.outputs) + self.min_padding


@dataclasses.dataclass
class MultimodalDecoder(hk.Module):
  """Decodes points of several modalities from the latents."""

  config: decoder.DecoderConfig
  outputs: MultimodalOutputConfig
  is_training: bool = False
  name: str | None = None

  def __call__(
    self,
    latents: Float[Array, "B N D"],
    points: Mapping[str, checks.Unchecked],  # {name: [O] integers}
  ) -> dict[str, Float32[Array, "B ..."]]:  # {name: [B, O, F] or [B, O·F]}
    check_points(self.outputs, points)
    block = blocks.CrossAttentionBlock(
      self.config.cross_attention, self.is_training, name="cross_attention"
    )
    shared = None
    if self.config.output_channels is not None:
      shared = layers.Linear(
        self.config.output_channels,
        self.config.output_init_scale,
        name="output",
      ).weights(self.config.query_channels)
    results = {}
    for output in self.outputs.outputs:
      indices = points.get(output.name, jnp.arange(output.num_points))
      queries = self._queries(output, latents.dtype)
      last = self._output_map(output, shared, len(indices))
      decode = functools.partial(_decode, block, latents, queries, last)
      block_size = None if reference.enabled() else _BLOCK_QUERIES
      if len(indices):
        found = _map_indices(decode, indices, block_size)  # [B, O, F]
      else:
        found = jnp.zeros((latents.shape[0], 0, output.channels))
      if output.joined:
        found = found.reshape(latents.shape[0], len(indices) * output.channels)
      results[output.name] = found.astype(jnp.float32)
    return results

  @hk.name_like("__call__")
  def _queries(self, output: OutputConfig, dtype: jnp.dtype) -> Queries:
    """Returns the function from indices of points to their queries."""
    vector = multimodal.learned_vector(
      f"{output.name}_padding",
      self.config.query_channels - output.query_channels,
    )
    positions = output.positions
    table: Float[Array, "O E"] | None = None
    if isinstance(positions, position_encoding.Learned):
      table = position_encoding.LearnedVectors(
        output.num_points, positions, name=f"{output.name}_queries"
      )()

    def make(indices: Integer[Array, "O"]) -> input_parts.QueryParts:
      """Returns queries of indices."""
      if isinstance(positions, position_encoding.Fourier):
        where = position_encoding.subsampled(indices, output.grid)
        encoded = position_encoding.features(positions, where)
      else:
        assert table is not None
        encoded = table[indices]
      return multimodal.pad((encoded.astype(dtype)[None],), vector)

    return make

  @hk.name_like("__call__")
  def _output_map(
    self,
    output: OutputConfig,
    shared: layers.LinearWeights | None,
    num_points: int,
  ) -> OutputMap:
    """Returns the linear maps that follow the cross-attention.

    There is nothing between the two, so that for many points they become one.
    """
    linear = layers.Linear(
      output.channels, self.outputs.init_scale, name=f"{output.name}_output"
    )
    width = self.config.query_channels
    if shared is None:
      return linear.weights(width).__call__
    inner = shared.w.shape[1]
    own = linear.weights(inner)
    apart = num_points * inner * (width + output.channels)
    together = (num_points + inner) * width * output.channels
    if reference.enabled() or apart <= together:
      return lambda x: own(shared(x))
    merged = layers.LinearWeights(shared.w @ own.w, shared.b @ own.w + own.b)
    return merged.__call__


def check_points(
  config: MultimodalOutputConfig, points: Mapping[str, checks.Unchecked]
) -> None:
  """Refuses points of unknown modalities, and points that are no indices.

  Raises:
    ValueError: if there is no modality of that name, or points are not [O].
    TypeError: if points are not integers.
  """
  known = sorted(output.name for output in config.outputs)
  for name, indices in points.items():
    if name not in known or jnp.ndim(indices) != 1:
      raise ValueError(
        f"Multimodal output: points of {name!r} have shape "
        f"{jnp.shape(indices)}; expected [points] of some of {known}."
      )
    if not jnp.issubdtype(indices.dtype, jnp.integer):
      raise TypeError(
        f"Multimodal output: points of {name!r} have dtype {indices.dtype}; "
        "expected integers."
      )


def _decode(
  block: blocks.CrossAttentionBlock,
  latents: Float[Array, "B N D"],
  queries: Queries,
  output: OutputMap,
  indices: Integer[Array, "O"],
) -> Float[Array, "B O F"]:
  return block.decode_queries(queries(indices), latents, output)


def _map_indices(
  function: Callable[[Integer[Array, "T"]], Float[Array, "B T F"]],
  indices: Integer[Array, "O"],
  block_size: int | None,
) -> Float[Array, "B O F"]:
  """Applies a function that calls Haiku modules to blocks of indices."""
  count, rest = divmod(len(indices), block_size or len(indices) + 1)
  # One block is not worth a loop; while parameters are made there must be none.
  if count < 2 or hk.running_init():
    return function(indices)
  whole = len(indices) - rest
  blocks_of_indices = indices[:whole].reshape(count, -1)
  _, found = hk.scan(
    lambda carry, i: (carry, function(i)), None, blocks_of_indices
  )  # [blocks, B, T, F]
  found = jnp.moveaxis(found, 0, 1)
  found = found.reshape(found.shape[0], whole, found.shape[-1])
  if not rest:
    return found
  return jnp.concatenate([found, function(indices[whole:])], axis=1)
