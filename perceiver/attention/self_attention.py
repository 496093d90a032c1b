"""Self-attention among latents.

All keys fit into memory here, but a stack of many layers takes most of a
model's time, and most of that goes into moving scores. On a CPU heads are
therefore taken one after another, each in blocks of keys that stay near the
core. Accelerators get one large product.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from perceiver.attention import blockwise
from perceiver.attention import projections
from perceiver.attention import reference

# Fewer scores than this are computed at once.
_MIN_SCORES = 2**18


def attend(
  config: projections.AttentionConfig,
  weights: projections.AttentionWeights,
  x: Float[Array, "B N D"],
  key: PRNGKeyArray | None = None,
) -> Float[Array, "B N F"]:
  """Attends from every element of `x` to all of them.

  Args:
    config: sizes of the attention.
    weights: its parameters.
    x: latents, normalised.
    key: randomness of the dropout; none is applied without.
  """
  batch, length, _ = x.shape
  num_scores = batch * config.num_heads * length**2
  if reference.enabled() or num_scores < _MIN_SCORES or _has_accelerator():
    keys_values = projections.project_keys_values(
      config, weights, x, num_queries=length
    )
    return projections.attend(config, weights, keys_values, x, key=key)
  return weights.output(_by_heads(config, weights, x, key))


def _has_accelerator() -> bool:
  return jax.default_backend() != "cpu"


def _by_heads(
  config: projections.AttentionConfig,
  weights: projections.AttentionWeights,
  x: Float[Array, "B N D"],
  key: PRNGKeyArray | None,
) -> Float[Array, "B N HV"]:
  """Attends with one head at a time, in blocks of keys."""
  batch, length, _ = x.shape
  width = config.qk_channels // config.num_heads  # K

  def split(
    parameters: None, block: Float[Array, "B S KV"]
  ) -> tuple[Float[Array, "B 1 S K"], Float[Array, "B 1 S V"]]:
    del parameters
    return block[:, None, :, :width], block[:, None, :, width:]

  options = blockwise.Options(
    project=split,
    block_size=blockwise.choose_block(
      length, projections.target_block(batch * length)
    ),
    dropout_rate=0.0 if key is None else config.dropout_rate,
  )

  def head(
    index: Int[Array, ""],
    operands: tuple[Float[Array, "B N K"], Float[Array, "B N KV"]],
  ) -> tuple[Int[Array, ""], Float[Array, "B N V"]]:
    query, joined = operands  # [B, N, K], [B, N, K + V]
    own_key = None if key is None else jax.random.fold_in(key, index)
    attended = blockwise.attend(
      options, query[:, None], (joined,), None, None, own_key
    )
    return index + 1, attended[:, 0]  # [B, N, V]

  query, keys, values = (
    jnp.moveaxis(projections.split_heads(part(x), config), 2, 0)
    for part in (weights.query, weights.key, weights.value)
  )  # [H, B, N, K or V]
  joined = jnp.concatenate([keys, values], axis=-1)
  operands = (query * config.scale, joined)
  attended = jax.lax.scan(head, jnp.int32(0), operands)[1]
  return jnp.moveaxis(attended, 0, 2).reshape(batch, length, -1)
