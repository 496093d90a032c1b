"""Self-attention among latents.

All keys fit into memory here, but a stack of many layers takes most of a
model's time, and most of that goes into moving scores. On a CPU heads are
therefore taken one after another, each in blocks of keys that stay near the
core. A TPU gets a kernel of its own, a GPU cuDNN's, where precision and sizes
allow. All else gets one large product.
"""

from collections.abc import Sequence
import contextlib
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from perceiver.attention import block_sizes
from perceiver.attention import blockwise
from perceiver.attention import flash
from perceiver.attention import flash_kernels
from perceiver.attention import kernel_use
from perceiver.attention import nested
from perceiver.attention import projections
from perceiver.attention import reference

# Fewer scores than this are computed at once.
_MIN_SCORES = 2**18
# And on a CPU fewer than this, a few megabytes that stay near the core.
_MIN_CPU_SCORES = 2**20


def attend(
  config: projections.AttentionConfig,
  weights: projections.AttentionWeights,
  x: Float[Array, "B N D"],
  key: PRNGKeyArray | None = None,
  nested_sizes: Sequence[int] = (),
) -> Float[Array, "B N F"]:
  """Attends from every element of `x` to all of them.

  Args:
    config: sizes of the attention.
    weights: its parameters.
    x: latents, normalised.
    key: randomness of the dropout; none is applied without.
    nested_sizes: as in `nested.attend`, if not empty.
  """
  if len(nested_sizes) > 1:
    return nested.attend(config, weights, x, nested_sizes, key)
  batch, length, _ = x.shape
  at_once = functools.partial(_at_once, config)
  num_scores = block_sizes.examples(batch) * config.num_heads * length**2
  if reference.enabled() or num_scores < _MIN_SCORES:
    return at_once(weights, x, key)
  cpu = cuda = tpu = at_once
  if num_scores >= _MIN_CPU_SCORES:
    cpu = functools.partial(_by_heads, config)
  if not (key is not None and config.dropout_rate):
    if _can_fuse(config, weights, x):
      cuda = functools.partial(_fused, config)
    heads = flash_kernels.choose_heads(
      config.num_heads, config.qk_channels, config.v_channels
    )
    if flash.supports(heads, x.dtype, length):
      tpu = functools.partial(_flash, config, heads)
  return jax.lax.platform_dependent(
    weights,
    x,
    key,
    cpu=cpu,
    cuda=cuda,
    tpu=tpu,
    default=at_once,
  )


def _at_once(
  config: projections.AttentionConfig,
  weights: projections.AttentionWeights,
  x: Float[Array, "B N D"],
  key: PRNGKeyArray | None,
) -> Float[Array, "B N F"]:
  """Attends with all scores in memory."""
  keys_values = projections.project_keys_values(
    config, weights, x, num_queries=x.shape[1]
  )
  return projections.attend(config, weights, keys_values, x, key=key)


def _fused(
  config: projections.AttentionConfig,
  weights: projections.AttentionWeights,
  x: Float[Array, "B N D"],
  key: PRNGKeyArray | None,
) -> Float[Array, "B N F"]:
  """Attends by cuDNN's kernel, without dropout."""
  del key
  query, keys, values = (
    projections.split_heads(part(x), config)
    for part in (weights.query, weights.key, weights.value)
  )
  attended = jax.nn.dot_product_attention(
    query, keys, values, scale=config.scale, implementation="cudnn"
  )
  return weights.output(projections.join_heads(attended))


def _flash(
  config: projections.AttentionConfig,
  heads: flash_kernels.Heads,
  weights: projections.AttentionWeights,
  x: Float[Array, "B N D"],
  key: PRNGKeyArray | None,
) -> Float[Array, "B N F"]:
  """Attends by the kernel for a TPU, without dropout."""
  del key
  parts = (weights.query, weights.key, weights.value)
  products = (x @ part.w.astype(x.dtype) for part in parts)
  operands = flash.Operands(*products, *(part.b for part in parts))
  return weights.output(flash.attend(heads, operands))


def _can_fuse(
  config: projections.AttentionConfig,
  weights: projections.AttentionWeights,
  x: Float[Array, "B N D"],
) -> bool:
  """Returns whether cuDNN is installed and takes dtype and sizes."""
  if config.qk_channels != config.v_channels or not kernel_use.allowed():
    return False
  # JAX raises these errors, with the reason, while it traces.
  with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
    jax.eval_shape(functools.partial(_fused, config), weights, x, None)
    return True
  return False


def _by_heads(
  config: projections.AttentionConfig,
  weights: projections.AttentionWeights,
  x: Float[Array, "B N D"],
  key: PRNGKeyArray | None,
) -> Float[Array, "B N F"]:
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
    block_size=block_sizes.choose(length, batch, length).cpu,
    dropout_rate=0.0 if key is None else config.dropout_rate,
  )

  def head(
    index: Int[Array, ""],
    operands: tuple[Float[Array, "B N K"], Float[Array, "B N KV"]],
  ) -> tuple[Int[Array, ""], Float[Array, "B N V"]]:
    query, joined = operands  # [B, N, K], [B, N, K + V]
    own_key = None if key is None else jax.random.fold_in(key, index)
    attended, _ = blockwise.attend(
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
  attended = jnp.moveaxis(attended, 0, 2)  # [B, N, H, V]
  return weights.output(attended.reshape(batch, length, -1))
