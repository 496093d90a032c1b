"""MixUp (Zhang et al., 2017) and CutMix (Yun et al., 2019), on the device."""

import dataclasses

import jax
from jax import Array
import jax.numpy as jnp
from jaxtyping import Float, Integer, PRNGKeyArray
import numpy as np

from experiments.training import losses
from perceiver import bounds

Images = Float[Array | np.ndarray, "B H W C"]
Targets = Float[Array | np.ndarray, "B F"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixingConfig:
  """The mixings that are used.

  With both, the first half of the batch takes MixUp and the rest CutMix, as
  released; with one, the whole batch takes it.

  Attributes:
    mixup_alpha: both parameters of the Beta distribution that MixUp's ratio
      is sampled from, 0.2 as released; no MixUp if None.
    cutmix: whether CutMix is on.
  """

  mixup_alpha: float | None = 0.2
  cutmix: bool = True

  def __post_init__(self) -> None:
    bounds.check_ranges(self, mixup_alpha="(0, inf)")


def mix(
  key: PRNGKeyArray, images: Images, targets: Targets, config: MixingConfig
) -> tuple[Images, Targets]:
  """Mixes each example with the one before it in the batch.

  The released code mixes each example with one from a second, independent set
  of examples, and so decodes two images for each that it trains on. Here the
  partner is another example of the same batch (the first has the last), so
  that all decoded images are trained on; a batch of one is unchanged.

  Args:
    key: a random key; ratios and boxes are sampled for each example.
    images: in any units.
    targets: soft labels, for instance one-hot or smoothed.
    config: which mixings are on.

  Returns:
    Images and targets with the shapes and dtypes that came in. An example's
    share of its own target is its share of the image.
  """
  if config.mixup_alpha is None and not config.cutmix:
    return images, targets
  batch, height, width, _ = images.shape
  masks, shares = _masks(key, batch, height, width, config)
  masks, shares = masks.astype(images.dtype), shares.astype(targets.dtype)
  return _blend(masks, images), _blend(shares[:, None], targets)


def targets(
  labels: Integer[Array | np.ndarray, "B *L"], num_classes: int
) -> Float[Array, "B F"]:
  """Returns ones at the labels, zeros elsewhere; a label of -1 is none."""
  ones = jax.nn.one_hot(labels, num_classes)  # [B, F] or [B, L, F]
  return ones if labels.ndim == 1 else jnp.max(ones, axis=1)


def top_k_correct(
  logits: Float[Array, "B F"],
  labels: Integer[Array | np.ndarray, "B *L"],
  mixed: Float[Array, "B F"],
  k: int,
) -> Float[Array, "B"]:
  """Returns the share of each mixed image whose label is among the top k.

  Of several labels, one is enough; such images are not mixed.

  Args:
    logits: of the mixed images.
    labels: before mixing.
    mixed: one-hot labels, mixed as the images are.
    k: how many classes count.
  """
  if labels.ndim > 1:
    of_one = lambda x: losses.top_k_correct(logits, x, k) * (x >= 0)  # [B]
    return jnp.max(jax.vmap(of_one, in_axes=1)(labels), axis=0)
  own = jnp.take_along_axis(mixed, labels[:, None], axis=-1)[:, 0]  # [B]
  correct, other = (
    losses.top_k_correct(logits, x, k) for x in (labels, jnp.roll(labels, 1))
  )
  return own * correct + (1 - own) * other


def _blend(share: Array, values: Images | Targets) -> Array:
  # A roll, not a gather: over sharded batches only one row per device moves.
  return share * values + (1 - share) * jnp.roll(values, 1, axis=0)


def _masks(
  key: Array, batch: int, height: int, width: int, config: MixingConfig
) -> tuple[Array, Array]:
  """Samples each example's own share of every pixel, and of the whole image.

  Returns:
    masks: [B, H, W, 1] or [B, 1, 1, 1], in [0, 1].
    shares: [B], the mean of each mask.
  """
  mixup_key, cutmix_key = jax.random.split(key)
  if config.mixup_alpha is None:
    return cutmix_masks(cutmix_key, batch, height, width)
  alpha = config.mixup_alpha
  ratios = jax.random.beta(mixup_key, alpha, alpha, (batch,))  # [B]
  constant = ratios[:, None, None, None]  # [B, 1, 1, 1]
  if not config.cutmix:
    return constant, ratios
  boxes, box_shares = cutmix_masks(cutmix_key, batch, height, width)
  is_mixup = jnp.arange(batch) < batch // 2  # [B]
  masks = jnp.where(is_mixup[:, None, None, None], constant, boxes)
  return masks, jnp.where(is_mixup, ratios, box_shares)


def cutmix_masks(
  key: Array, batch: int, height: int, width: int
) -> tuple[Array, Array]:
  """Samples the boxes of CutMix: 1 inside, 0 outside.

  The area before clipping is uniform in [0, 1], the aspect ratio is the
  image's; the centre is a uniform pixel, and the box is clipped at the border.

  Args:
    key: a random key.
    batch: number of boxes, B.
    height: rows of the images, H.
    width: columns of the images, W.

  Returns:
    masks: [B, H, W, 1] float32, 0 or 1.
    shares: [B] float32, the share of pixels truly inside.
  """
  area_key, row_key, column_key = jax.random.split(key, 3)
  side = jnp.sqrt(1 - jax.random.uniform(area_key, (batch,)))  # [B]
  rows = _interval(row_key, side, height)  # [B, H]
  columns = _interval(column_key, side, width)  # [B, W]
  masks = (rows[:, :, None] & columns[:, None, :])[..., None]  # [B, H, W, 1]
  shares = rows.mean(axis=1) * columns.mean(axis=1)  # [B]
  return masks.astype(jnp.float32), shares.astype(jnp.float32)


def _interval(key: Array, side: Array, size: int) -> Array:
  """Returns intervals of about `side` times `size` pixels, [B, size] bool."""
  centre = jax.random.randint(key, side.shape, 0, size)  # [B]
  half = (side * size).astype(jnp.int32) // 2  # [B]
  pixel = jnp.arange(size)  # [size]
  above = pixel >= (centre - half)[:, None]  # [B, size]
  return above & (pixel < (centre + half)[:, None])
