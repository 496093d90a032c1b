"""MixUp (Zhang et al., 2017) and CutMix (Yun et al., 2019), on the device."""

from collections.abc import Mapping
import dataclasses
from typing import NamedTuple

import jax
from jax import Array
import jax.numpy as jnp
from jaxtyping import Float, Integer, PRNGKeyArray, Shaped
import numpy as np

from experiments.training import losses
from perceiver import bounds

Images = Float[Array | np.ndarray, "B H W C"]
Targets = Float[Array | np.ndarray, "B F"]
Labels = Integer[Array | np.ndarray, "B *L"]  # -1 is none


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixingConfig:
  """The mixings that are used.

  With both, the first half of the batch takes MixUp and the rest CutMix, as
  released; with one, the whole batch takes it.

  Attributes:
    mixup_alpha: both parameters of the Beta distribution that MixUp's ratio
      is sampled from, 0.2 as released; no MixUp if None.
    cutmix: whether CutMix is on.
    within_batch: whether an example is mixed with another one of its batch. As
      released, it is mixed with one read for that alone, so that two images
      are decoded, cropped and augmented for each that is trained on.
  """

  mixup_alpha: float | None = 0.2
  cutmix: bool = True
  within_batch: bool = False

  def __post_init__(self) -> None:
    bounds.check_ranges(self, mixup_alpha="(0, inf)")

  @property
  def is_on(self) -> bool:
    """True if anything is mixed."""
    return self.mixup_alpha is not None or self.cutmix

  @property
  def in_pairs(self) -> bool:
    """True if examples have partners that are read for that alone."""
    return self.is_on and not self.within_batch


class Mixed(NamedTuple):
  """Images and targets, and the labels of both images in each."""

  images: Images
  targets: Targets
  labels: tuple[Labels, Labels]


def of_batch(
  key: PRNGKeyArray | None,
  batch: Mapping[str, Array | np.ndarray],
  num_classes: int,
  config: MixingConfig,
) -> Mixed:
  """Mixes a batch, unless there is no key.

  Args:
    key: a random key.
    batch: "images", "labels", and perhaps "partner_images" and
      "partner_labels"; else an example's partner is the one before it.
    num_classes: F.
    config: which mixings are on.
  """
  images, labels = batch["images"], batch["labels"]
  targets = _ones(labels, num_classes)  # [B, F]
  if key is None:
    return Mixed(images, targets, (labels, labels))
  partners, others = (
    batch.get(f"partner_{name}", before(batch[name]))
    for name in ("images", "labels")
  )
  pairs = (images, partners), (targets, _ones(others, num_classes))
  return Mixed(*mix(key, *pairs, config), (labels, others))


def before(
  values: Shaped[Array | np.ndarray, "B *C"],
) -> Shaped[Array, "B *C"]:
  """Returns, for every example, the one before it; for the first, the last."""
  # A roll, not a gather: over sharded batches only one row per device moves.
  return jnp.roll(values, 1, axis=0)


def mix(
  key: PRNGKeyArray,
  images: tuple[Images, Images],
  targets: tuple[Targets, Targets],
  config: MixingConfig,
) -> tuple[Images, Targets]:
  """Mixes each example with its partner.

  Args:
    key: a random key; ratios and boxes are sampled for each example.
    images: in any units, and those of the partners.
    targets: soft labels, for instance one-hot or smoothed, and the partners'.
    config: which mixings are on.

  Returns:
    Images and targets with the shapes and dtypes that came in. An example's
    share of its own target is its share of the image.
  """
  if not config.is_on:
    return images[0], targets[0]
  batch, height, width, _ = images[0].shape
  masks, shares = _masks(key, batch, height, width, config)
  masks, shares = masks.astype(images[0].dtype), shares.astype(targets[0].dtype)
  return _blend(masks, *images), _blend(shares[:, None], *targets)


def _ones(labels: Labels, num_classes: int) -> Float[Array, "B F"]:
  """Returns ones at the labels, zeros elsewhere; a label of -1 is none."""
  ones = jax.nn.one_hot(labels, num_classes)  # [B, F] or [B, L, F]
  return ones if labels.ndim == 1 else jnp.max(ones, axis=1)


def top_k_correct(
  logits: Float[Array, "B F"],
  labels: tuple[Labels, Labels],
  mixed: Targets,
  k: int,
) -> Float[Array, "B"]:
  """Returns the share of each mixed image whose label is among the top k.

  Of several labels, one is enough; such images are not mixed.

  Args:
    logits: of the mixed images.
    labels: before mixing, and those of the partners.
    mixed: one-hot labels, mixed as the images are.
    k: how many classes count.
  """
  if labels[0].ndim > 1:
    of_one = lambda x: losses.top_k_correct(logits, x, k) * (x >= 0)  # [B]
    return jnp.max(jax.vmap(of_one, in_axes=1)(labels[0]), axis=0)
  own = jnp.take_along_axis(mixed, labels[0][:, None], axis=-1)[:, 0]  # [B]
  correct, other = (losses.top_k_correct(logits, x, k) for x in labels)
  return own * correct + (1 - own) * other


def _blend(
  share: Array, values: Images | Targets, others: Images | Targets
) -> Array:
  return share * values + (1 - share) * others


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
