"""Sampling of the next element, and of sequences.

Order of the filters, as released: the nucleus of the unchanged logits first,
then the temperature.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
import numpy as np

from perceiver import bounds
from perceiver import model as perceiver_model
from perceiver.autoregressive import decoding
from perceiver.autoregressive import sequence_positions

_REMOVED = -1e30
# Sequences have room for multiples of this many elements: one program for all.
_ROOM = 256

# Steps from 0 -> elements that may be there, [V] bool, of every sequence.
Allowed = Callable[[Int[Array, "B"]], Bool[Array, "B V"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplingConfig:
  """The choice of the next element.

  Attributes:
    temperature: logits are divided by it; 0 takes the likeliest element.
    top_k: elements that remain, the likeliest ones; None for all.
    top_p: probability of the likeliest elements that remain; 0 takes the
      likeliest one.
  """

  temperature: float = 1.0
  top_k: int | None = None
  top_p: float = 1.0

  def __post_init__(self) -> None:
    bounds.check(self, "top_k", temperature="[0, inf)", top_p="[0, 1]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CachePolicy:
  """The latents that are held while a sequence grows.

  The cache of latents is refilled once it is full: an exact pass over the
  cached inputs with fewer latents, which leave room for new ones. Latents that
  were held through many steps have read inputs further back than new ones.

  Attributes:
    prime_latents: latents that read the prompt; half of the model's if None.
      The released sampler has 1.
    refill_latents: latents after a refill, as released half of the model's if
      None; 0 for no refills, new latents then overwrite the oldest.
    refill_every: steps after which to refill before the cache is full; None
      for when it is full.
  """

  prime_latents: int | None = None
  refill_latents: int | None = None
  refill_every: int | None = None

  def __post_init__(self) -> None:
    bounds.check(
      self, "prime_latents", "refill_every", refill_latents="[0, inf)"
    )


def filtered(
  config: SamplingConfig, logits: Float[Array, "*B V"]
) -> Float[Array, "*B V"]:
  """Returns logits whose softmax to sample from; removed ones are about −1e30.

  Of `top_p`, those logits remain that are at least the first, from below, at
  which the sum of probabilities reaches 1 − `top_p`.
  """
  ordered = jnp.sort(logits, axis=-1)
  lowest = jnp.full_like(logits[..., :1], -jnp.inf)
  if config.top_k is not None and config.top_k < logits.shape[-1]:
    lowest = ordered[..., -config.top_k, None]
  if config.top_p < 1:
    total = jnp.cumsum(jax.nn.softmax(ordered), axis=-1)
    first = jnp.argmax(total >= 1 - config.top_p, axis=-1)[..., None]
    lowest = jnp.maximum(lowest, jnp.take_along_axis(ordered, first, axis=-1))
  kept = jnp.where(logits >= lowest, logits, _REMOVED)
  return kept / config.temperature


def sample(
  config: SamplingConfig,
  logits: Float[Array, "B V"],
  key: PRNGKeyArray,
) -> Int[Array, "B"]:
  """Returns an element for each row, which depends on its number only."""
  if not config.temperature or not config.top_p:
    return jnp.argmax(logits, axis=-1)
  keys = jax.vmap(lambda row: jax.random.fold_in(key, row))(
    jnp.arange(len(logits))
  )
  return jax.vmap(jax.random.categorical)(keys, filtered(config, logits))


def image_channels(
  vocab_size: int, num_channels: int, values: int = 256, first: int = 3
) -> Allowed:
  """Returns the elements allowed in an image whose channels have their own.

  Elements before `first` may be anywhere; step 0 is the start.
  """
  elements = np.arange(vocab_size)

  def allowed(steps: Int[Array, "B"]) -> Bool[Array, "B V"]:
    channel = ((steps - 1) % num_channels)[:, None]
    own = (elements - first) // values == channel
    return own | (elements < first)

  return allowed


def generate(
  model: perceiver_model.Model,
  variables: perceiver_model.Variables,
  prompts: Sequence[Sequence[int]],
  num_elements: int,
  *,
  key: PRNGKeyArray,
  config: SamplingConfig = SamplingConfig(),
  policy: CachePolicy = CachePolicy(),
  stop: int | None = None,
  allowed: Allowed | None = None,
  on_elements: Callable[[np.ndarray], Any] | None = None,
) -> list[list[int]]:
  """Continues sequences; deterministic by `key`.

  Args:
    model: a Perceiver AR.
    variables: its parameters.
    prompts: of any lengths from 1, such as a start token alone.
    num_elements: the most to add to each.
    key: randomness; that of a row depends on its number and the step.
    config: the choice of elements.
    policy: the latents that are held.
    stop: an element after which a sequence ends.
    allowed: the elements that may be at a step.
    on_elements: called with the new elements [B] of every step.

  Returns:
    The prompts with what was added, without `stop`.
  """
  added: list[list[int]] = [list(prompt) for prompt in prompts]
  ended = [False] * len(prompts)
  steps = _steps(
    *(model.config, variables.params, prompts, num_elements),
    *(key, config, policy, allowed),
  )
  for elements in steps:
    for row, element in enumerate(elements.tolist()):
      ended[row] |= element == stop
      if not ended[row]:
        added[row].append(element)
    if on_elements is not None:
      on_elements(elements)
    if all(ended):
      break
  return added


def _steps(
  model_config: Any,
  params: Any,
  prompts: Sequence[Sequence[int]],
  num_elements: int,
  key: PRNGKeyArray,
  config: SamplingConfig,
  policy: CachePolicy,
  allowed: Allowed | None,
) -> Iterator[np.ndarray]:
  """Gives the elements [B] of each step."""
  if not prompts or not all(prompts):
    raise ValueError("Sampling: a prompt is empty; expected a start token.")
  total = max(map(len, prompts)) + num_elements
  most = sequence_positions.most_elements(model_config.positions)
  # The last element needs no position: it is not read.
  if most is not None and total > most + 1:
    raise ValueError(
      f"Sampling: prompt and new elements are {total}; expected at most "
      f"{most + 1}, for which the model has positions."
    )
  programs = _programs(model_config, config, allowed)
  weights = programs.weights(params)
  half = max(model_config.num_latents // 2, 1)
  refill = half if policy.refill_latents is None else policy.refill_latents
  held = policy.prime_latents or half
  interval = policy.refill_every or model_config.num_latents
  elements, starts, count = _aligned(prompts, num_elements)
  state, new = programs.prime(
    weights, elements, starts, count, jax.random.fold_in(key, 0), held
  )
  yield np.asarray(new)
  since = 0
  for step in range(1, num_elements):
    since += 1
    own_key = jax.random.fold_in(key, step)
    if refill and (held >= model_config.num_latents or since >= interval):
      state, new = programs.refill(weights, state, own_key, refill)
      held, since = refill, 0
    else:
      state, new = programs.step(weights, state, own_key)
      held += 1
    yield np.asarray(new)


def _aligned(
  prompts: Sequence[Sequence[int]], num_elements: int
) -> tuple[np.ndarray, np.ndarray, np.int32]:
  """Returns prompts with a common end, their starts, and the end."""
  longest = max(map(len, prompts))
  room = -(-(longest + num_elements) // _ROOM) * _ROOM
  elements = np.zeros((len(prompts), room), np.int32)
  for row, prompt in enumerate(prompts):
    elements[row, longest - len(prompt) : longest] = prompt
  starts = np.array([longest - len(prompt) for prompt in prompts], np.int32)
  return elements, starts, np.int32(longest)


@dataclasses.dataclass(frozen=True)
class _Programs:
  """Compiled functions, each of which samples an element for every row."""

  weights: Callable[..., Any]
  prime: Callable[..., Any]
  step: Callable[..., Any]
  refill: Callable[..., Any]


@functools.lru_cache(maxsize=16)
def _programs(
  model_config: Any, config: SamplingConfig, allowed: Allowed | None
) -> _Programs:
  decoder = decoding.Decoder(model_config)

  def chosen(
    found: tuple[decoding.State, Float[Array, "B V"]], key: PRNGKeyArray
  ) -> tuple[decoding.State, Int[Array, "B"]]:
    state, logits = found
    if allowed is not None:
      may_be = allowed(state.time - state.starts)
      logits = jnp.where(may_be, logits, _REMOVED)
    new = sample(config, logits, key)
    elements = jax.lax.dynamic_update_slice_in_dim(
      state.elements, new[:, None].astype(jnp.int32), state.time, axis=1
    )
    return state._replace(elements=elements), new

  def prime(
    weights: Any,
    elements: Any,
    starts: Any,
    count: Any,
    key: Any,
    num_latents: int,
  ) -> Any:
    primed = decoder.prime(weights, elements, starts, count, num_latents)
    return chosen(primed, key)

  def step(weights: Any, state: Any, key: Any) -> Any:
    return chosen(decoder.step(weights, state), key)

  def refill(weights: Any, state: Any, key: Any, num_latents: int) -> Any:
    return chosen(decoder.step_and_refill(weights, state, num_latents), key)

  return _Programs(
    weights=jax.jit(decoder.weights),
    prime=jax.jit(prime, static_argnums=5),
    step=jax.jit(step, donate_argnums=1),
    refill=jax.jit(refill, static_argnums=3, donate_argnums=1),
  )
