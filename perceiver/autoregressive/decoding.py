"""Decoding of Perceiver AR with caches of what was read.

Kept are turned keys, and values, of inputs and of every layer's latents. A step
reads one element with one latent. Until a latent is overwritten, it equals a
pass without caches over the same elements with as many latents as are held.

Sequences of a batch end at the same slot of a common time, at which shorter
ones begin later. A cache of S slots is a ring: the slot of time t is t mod S,
and the newest element overwrites the oldest.
"""

from collections.abc import Callable, Iterable
import dataclasses
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32, Int

from perceiver import blocks
from perceiver.attention import rotary_attention
from perceiver.autoregressive import network
from perceiver.autoregressive import parts
from perceiver.autoregressive import sequence_positions

_PREFIX = "perceiver_ar/stack/"


class KeysValues(NamedTuple):
  """Turned keys, and values, in a ring of S slots, [B·H, S, ·].

  Batch and heads are one axis: with two, XLA's CPU compiler copies the ring of
  a single sequence several times for every entry that is written.
  """

  keys: Float[Array, "BH S K"]
  values: Float[Array, "BH S V"]

  @classmethod
  def of(cls, arrays: Iterable[Float[Array, "B H S K"]]) -> "KeysValues":
    """Joins batch and heads of keys and values."""
    return cls(*(x.reshape(-1, *x.shape[2:]) for x in arrays))


class State(NamedTuple):
  """Sequences, and the caches of what was read of them.

  Attributes:
    elements: by time; 0 before a sequence's start and after its end.
    starts: the time at which each sequence begins.
    time: that after the last element read, which all sequences share.
    first_latent: the time of the oldest latent that is held.
    inputs: keys and values of inputs.
    layers: those of the latents of each layer.
  """

  elements: Int[Array, "B T"]
  starts: Int[Array, "B"]
  time: Int[Array, ""]
  first_latent: Int[Array, ""]
  inputs: KeysValues
  layers: tuple[KeysValues, ...]


class DecodingWeights(NamedTuple):
  """All parameters, those of the layers apart from one another."""

  shared: parts.Weights
  layers: tuple[blocks.CrossAttentionWeights, ...]


@dataclasses.dataclass(frozen=True)
class Decoder:
  """Pure functions that read sequences into caches.

  Attributes:
    config: of the model.
    num_inputs: slots for inputs; the model's context if None.
    num_latents: slots for latents; those of the model if None.
  """

  config: network.AutoregressiveConfig
  num_inputs: int | None = None
  num_latents: int | None = None

  def __post_init__(self) -> None:
    if self.config.order is not sequence_positions.Order.FORWARD:
      raise ValueError(
        f"Decoder: the model's order is {self.config.order.value}, which "
        "changes all positions with every element; expected forward."
      )

  @property
  def input_slots(self) -> int:
    """Slots of the cache of inputs."""
    return self.num_inputs or self.config.context

  @property
  def latent_slots(self) -> int:
    """Slots of the caches of latents."""
    return self.num_latents or self.config.num_latents

  def weights(self, params: Any) -> DecodingWeights:
    """Takes the layers of a model's parameters apart."""
    cfg = self.config
    layer = lambda: network.SelfAttention(cfg, name="self_attention").weights()
    stack = {
      name.removeprefix(_PREFIX): arrays
      for name, arrays in params.items()
      if name.startswith(_PREFIX)
    }
    return DecodingWeights(
      shared=_applied(lambda: cfg.network().weights(), params),
      layers=tuple(
        _applied(layer, jax.tree.map(lambda x, i=i: x[i], stack))
        for i in range(cfg.num_layers)
      ),
    )

  def prime(
    self,
    weights: DecodingWeights,
    elements: Int[Array, "B T"],
    starts: Int[Array, "B"],
    time: Int[Array, ""],
    num_latents: int,
  ) -> tuple[State, Float32[Array, "B V"]]:
    """Reads the elements before the time `time`.

    Args:
      weights: of the model.
      elements: by time, with room for those to come.
      starts: the time at which each sequence begins.
      time: from 1; the end of all sequences.
      num_latents: latents to hold, the last ones.

    Returns:
      The state, and logits of the next elements.
    """
    size = self.input_slots
    embedded, positions = self._embed(weights, elements, starts, time, size)
    read = weights.shared.cross_attention
    keys_values = self.config.attend_inputs.keys_values(
      read.attention, read.input_norm, embedded, positions
    )
    rings = KeysValues.of(jnp.roll(x, time % size, axis=2) for x in keys_values)
    state = State(elements, starts, time, time, rings, layers=())
    return self.refill(weights, state, num_latents)

  def refill(
    self, weights: DecodingWeights, state: State, num_latents: int
  ) -> tuple[State, Float32[Array, "B V"]]:
    """Makes the last latents anew from the cached inputs.

    Returns:
      The state that holds these latents only, and logits of the next elements.
    """
    cfg, time, size = self.config, state.time, self.input_slots
    embedded, positions = self._embed(
      weights, state.elements, state.starts, time, num_latents
    )  # [B, N, C], [B, N]
    positions += int(cfg.offset_queries)
    in_order = KeysValues(
      *(jnp.roll(x, -(time % size), axis=1) for x in state.inputs)
    )
    x = weights.shared.query(embedded)  # [B, N, D]
    read = weights.shared.cross_attention
    x = self._attend_many(
      cfg.attend_inputs, read, x, positions, in_order, state
    )
    held = []
    for layer in weights.layers:
      keys_values = KeysValues.of(
        cfg.attend_latents.keys_values(
          layer.attention, layer.input_norm, x, positions
        )
      )
      x = self._attend_many(
        cfg.attend_latents, layer, x, positions, keys_values, state
      )
      held.append(self._ring(keys_values, time))
    state = state._replace(first_latent=time - num_latents, layers=tuple(held))
    return state, weights.shared.predict(x[:, -1:])[:, 0]

  def step(
    self, weights: DecodingWeights, state: State
  ) -> tuple[State, Float32[Array, "B V"]]:
    """Reads the element at the time `time` with one more latent.

    Returns:
      The state, and logits of the next elements.
    """
    cfg = self.config
    state, embedded, positions = self._read(weights, state)
    positions += int(cfg.offset_queries)
    x = weights.shared.query(embedded)  # [B, 1, D]
    read = weights.shared.cross_attention
    first = state.starts
    x = self._attend_one(
      cfg.attend_inputs, read, x, positions, state.inputs, state.time, first
    )
    first = jnp.maximum(first, state.first_latent)
    held = []
    for layer, cache in zip(weights.layers, state.layers):
      new = cfg.attend_latents.keys_values(
        layer.attention, layer.input_norm, x, positions
      )
      held.append(_write(cache, new, state.time - 1))
      x = self._attend_one(
        cfg.attend_latents, layer, x, positions, held[-1], state.time, first
      )
    state = state._replace(layers=tuple(held))
    return state, weights.shared.predict(x)[:, 0]

  def step_and_refill(
    self, weights: DecodingWeights, state: State, num_latents: int
  ) -> tuple[State, Float32[Array, "B V"]]:
    """Reads the element at the time `time`, and makes all latents anew."""
    state, _, _ = self._read(weights, state)
    return self.refill(weights, state, num_latents)

  def _read(
    self, weights: DecodingWeights, state: State
  ) -> tuple[State, Float[Array, "B 1 C"], Int[Array, "B 1"]]:
    """Puts the next element into the cache of inputs."""
    time = state.time + 1
    embedded, positions = self._embed(
      weights, state.elements, state.starts, time, 1
    )
    read = weights.shared.cross_attention
    new = self.config.attend_inputs.keys_values(
      read.attention, read.input_norm, embedded, positions
    )
    inputs = _write(state.inputs, new, state.time)
    return state._replace(time=time, inputs=inputs), embedded, positions

  def _embed(
    self,
    weights: DecodingWeights,
    elements: Int[Array, "B T"],
    starts: Int[Array, "B"],
    time: Int[Array, ""],
    size: int,
  ) -> tuple[Float[Array, "B S C"], Int[Array, "B S"]]:
    """Embeds the last `size` elements before the time `time`."""
    read = size + self.config.convolution_width - 1
    padded = jnp.pad(elements, ((0, 0), (read, 0)))
    last = jax.lax.dynamic_slice_in_dim(padded, time, read, axis=1)
    times = time - size + jnp.arange(size)
    steps = jnp.maximum(times - starts[:, None], 0)  # [B, S]
    positions = sequence_positions.of_steps(self.config.positions, steps)
    embedded = weights.shared.embed(self.config.positions, last, positions)
    return embedded.astype(self.config.precision.dtype), positions[..., 0]

  def _attend_many(
    self,
    attention: rotary_attention.RotaryAttention,
    weights: blocks.CrossAttentionWeights,
    x: Float[Array, "B N D"],
    positions: Int[Array, "B N"],
    keys_values: KeysValues,
    state: State,
  ) -> Float[Array, "B N D"]:
    """Attends from the last latents to keys and values in order of time."""
    size = keys_values.keys.shape[1]
    times = state.time - size + jnp.arange(size)
    by_head = [y.reshape(len(x), -1, *y.shape[1:]) for y in keys_values]
    attend = lambda queries: attention.attend_projected(
      queries,
      *by_head,
      offset=jnp.full(x.shape[0], size - x.shape[1]),
      input_mask=times >= state.starts[:, None],
    )
    return self._block(attention, weights, x, positions, attend)

  def _attend_one(
    self,
    attention: rotary_attention.RotaryAttention,
    weights: blocks.CrossAttentionWeights,
    x: Float[Array, "B 1 D"],
    positions: Int[Array, "B 1"],
    keys_values: KeysValues,
    time: Int[Array, ""],
    first: Int[Array, "B"],
  ) -> Float[Array, "B 1 D"]:
    """Attends from the newest latent to all slots from the time `first`."""
    visible = slot_times(time, keys_values.keys.shape[1]) >= first[:, None]

    def attend(queries: Float[Array, "B H 1 K"]) -> Float[Array, "B H 1 V"]:
      # Every head as a sequence of its own, as they are kept.
      batch, heads = queries.shape[:2]
      attended = rotary_attention.attend_at_once(
        queries.reshape(batch * heads, 1, *queries.shape[2:]),
        keys_values.keys[:, None],
        keys_values.values[:, None],
        jnp.repeat(visible, heads, axis=0)[:, None, None],
      )
      return attended.reshape(batch, heads, *attended.shape[2:])

    return self._block(attention, weights, x, positions, attend)

  def _block(
    self,
    attention: rotary_attention.RotaryAttention,
    weights: blocks.CrossAttentionWeights,
    x: Float[Array, "B N D"],
    positions: Int[Array, "B N"],
    attend: Callable[[Float[Array, "B H N K"]], Float[Array, "B H N V"]],
  ) -> Float[Array, "B N D"]:
    """Applies a block whose projected queries attend by `attend`."""
    queries = attention.queries(
      weights.attention, weights.query_norm(x), positions
    )
    attended = attention.output(weights.attention, attend(queries), positions)
    return parts.finish_block(self.config.activation, weights, x, attended)

  def _ring(self, keys_values: KeysValues, time: Int[Array, ""]) -> KeysValues:
    """Puts the latents before the time `time` into their slots."""
    size = self.latent_slots
    rest = size - keys_values.keys.shape[1]
    padded = (jnp.pad(x, ((0, 0), (rest, 0), (0, 0))) for x in keys_values)
    return KeysValues(*(jnp.roll(x, time % size, axis=1) for x in padded))


def slot_times(time: Int[Array, ""], size: int) -> Int[Array, "S"]:
  """Returns the newest time before `time` of each slot; negative for none."""
  return time - 1 - (time - 1 - jnp.arange(size)) % size


def _write(
  cache: KeysValues,
  new: tuple[Float[Array, "B H 1 K"], Float[Array, "B H 1 V"]],
  time: Int[Array, ""],
) -> KeysValues:
  """Overwrites the slot of a time."""

  def write(
    ring: Float[Array, "BH S K"], entry: Float[Array, "BH 1 K"]
  ) -> Float[Array, "BH S K"]:
    slot = time % ring.shape[1]
    return jax.lax.dynamic_update_slice_in_dim(ring, entry, slot, axis=1)

  pairs = zip(cache, KeysValues.of(new))
  return KeysValues(*(write(*pair) for pair in pairs))


def _applied(function: Any, params: Any) -> Any:
  """Returns the result of a function that makes Haiku modules."""
  return hk.transform(function).apply(params, None)
