"""Several modalities side by side, as one array of inputs.

Modalities have free names. The inputs of each are brought to a common number of
channels by a learned vector of its own, the same at all of its positions, which
also tells modalities apart; then they stand one after the other along the index
axis, in the order of their names (2107.14795 appendix I).
"""

from collections.abc import Mapping
import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from perceiver import bounds
from perceiver import position_encoding
from perceiver.adapters import audio
from perceiver.adapters import checks
from perceiver.adapters import video
from perceiver.attention import input_parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class VectorInputConfig:
  """One vector per example, such as a one-hot label: one input, no position.

  Attributes:
    channels: channels of the vector.
  """

  channels: int

  def __post_init__(self) -> None:
    bounds.check(self, "channels")

  @property
  def shape(self) -> tuple[int, ...]:
    """The shape of one example."""
    return (self.channels,)

  @property
  def num_inputs(self) -> int:
    """The number M of inputs."""
    return 1

  @property
  def input_channels(self) -> int:
    """Channels of the inputs."""
    return self.channels

  def resizable_tables(self) -> dict[str, tuple[int, ...]]:
    """Returns no grids: a vector has no position."""
    return {}


ModalityInput = (
  video.VideoInputConfig
  | audio.AudioInputConfig
  | audio.SpectrogramInputConfig
  | VectorInputConfig
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModalityConfig:
  """One modality.

  A modality with a `mask_rate` may be left out of the inputs: all of it is then
  masked.

  Attributes:
    name: of its arrays, and of parameters.
    input: the adapter of its arrays.
    mask_rate: probability, for each of its inputs on its own, of being masked
      in training: replaced by a learned vector, the modality's mask token.
    masked_in_evaluation: whether all of it is masked in evaluation.
  """

  name: str
  input: ModalityInput
  mask_rate: float = 0.0
  masked_in_evaluation: bool = False

  def __post_init__(self) -> None:
    if not self.name.isidentifier():
      raise ValueError(
        f"Modality: name is {self.name!r}; expected letters, digits and "
        "underscores."
      )
    bounds.check_ranges(self, mask_rate="[0, 1]")

  @property
  def optional(self) -> bool:
    """True if the modality may be left out of the inputs."""
    return self.mask_rate > 0 or self.masked_in_evaluation


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultimodalInputConfig:
  """The adapter of examples of several modalities to one array of inputs.

  Attributes:
    modalities: in any order; that of the inputs is by name.
    min_padding: channels of the learned vector of the widest modality; those
      of the others are as wide as it takes.
    mask_tokens: whether modalities have mask tokens.
  """

  modalities: tuple[ModalityConfig, ...]
  min_padding: int = 4
  mask_tokens: bool = False

  def __post_init__(self) -> None:
    bounds.check(self, min_padding="[0, inf)")
    names = [modality.name for modality in self.modalities]
    if not names or len(set(names)) < len(names):
      raise ValueError(
        f"Multimodal input: the modalities are {names}; expected at least one, "
        "and no name twice."
      )
    masked = [x.name for x in self.modalities if x.optional]
    if masked and not self.mask_tokens:
      raise ValueError(
        f"Multimodal input: {masked} are masked but mask_tokens is False; "
        "expected True."
      )

  @property
  def ordered(self) -> tuple[ModalityConfig, ...]:
    """The modalities in the order of the inputs."""
    return tuple(sorted(self.modalities, key=lambda x: x.name))

  @property
  def num_inputs(self) -> int:
    """The number M of inputs of all modalities."""
    return sum(x.input.num_inputs for x in self.modalities)

  @property
  def input_channels(self) -> int:
    """Channels of the inputs with positions and padding."""
    widest = max(x.input.input_channels for x in self.modalities)
    return widest + self.min_padding

  def resizable_tables(self) -> dict[str, tuple[int, ...]]:
    """Returns the grids of learned positions, by module below the input's."""
    return {
      f"{modality.name}_input/{name}": grid
      for modality in self.modalities
      for name, grid in modality.input.resizable_tables().items()
    }

  def example(self, batch_size: int = 1) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and dtypes of the modalities that must be given."""
    return {
      x.name: jax.ShapeDtypeStruct((batch_size, *x.input.shape), jnp.float32)
      for x in self.modalities
      if not x.optional
    }

  def apply(
    self,
    examples: Mapping[str, checks.Unchecked],
    mask: Mapping[str, checks.Unchecked] | None = None,
    *,
    is_training: bool = False,
  ) -> tuple[input_parts.Parts, Bool[Array, "B M"] | None]:
    """Returns the inputs of all modalities, and their mask.

    Args:
      examples: an array for each modality.
      mask: {name: [B] bool}, whether an example has a modality; it has those
        that are not named.
      is_training: whether inputs are masked at random.

    Returns:
      As `InputAdapter` says.
    """
    present = input_mask(self, mask) if mask else None
    cleared = dict(examples)
    # Values of an absent modality must not matter, even if they are NaN.
    for name, has in (mask or {}).items():
      if name in examples:
        has = jnp.expand_dims(has, range(1, examples[name].ndim))
        cleared[name] = jnp.where(has, examples[name], 0)
    module = MultimodalInput(self, is_training, name="multimodal_input")
    return (module(cleared),), present  # [B, M, C]


@dataclasses.dataclass
class MultimodalInput(hk.Module):
  """Turns arrays of several modalities into one array of inputs."""

  config: MultimodalInputConfig
  is_training: bool = False
  name: str | None = None

  def __call__(
    self, inputs: Mapping[str, checks.Unchecked]
  ) -> Float[Array, "B M C"]:
    """Returns the inputs of all modalities, one after the other."""
    batch_size = check(self.config, inputs)
    dtype = jnp.result_type(*inputs.values())
    columns = []
    for modality in self.config.ordered:
      if modality.name in inputs:
        array = inputs[modality.name]
        mask = self._mask(modality, batch_size)
      else:
        array = jnp.zeros((batch_size, *modality.input.shape), dtype)
        mask = jnp.ones((1, 1), bool)
      columns.append(self._modality(modality, array, mask))
    return jnp.concatenate(columns, axis=1)

  @hk.name_like("__call__")
  def _modality(
    self,
    modality: ModalityConfig,
    array: checks.Unchecked,  # [B, ...]
    mask: Bool[Array, "#B #M"] | None,
  ) -> Float[Array, "B M C"]:
    """Returns the inputs of one modality, padded and masked."""
    channels = self.config.input_channels
    parts = _parts(modality, array)
    vector = learned_vector(
      f"{modality.name}_padding", channels - input_parts.num_channels(parts)
    )
    padded = input_parts.concatenate(
      pad(parts, vector), len(array)
    )  # [B, M, C]
    if not self.config.mask_tokens:
      return padded
    # The parameter exists whether or not anything is masked.
    token = learned_vector(f"{modality.name}_mask_token", channels)
    if mask is None:
      return padded
    return jnp.where(mask[..., None], token.astype(padded.dtype), padded)

  def _mask(
    self, modality: ModalityConfig, batch_size: int
  ) -> Bool[Array, "#B #M"] | None:
    """Returns the mask of masked inputs; None for none."""
    if not self.is_training:
      return jnp.ones((1, 1), bool) if modality.masked_in_evaluation else None
    if not modality.mask_rate:
      return None
    shape = (batch_size, modality.input.num_inputs)
    return jax.random.bernoulli(hk.next_rng_key(), modality.mask_rate, shape)


def _parts(
  modality: ModalityConfig, array: checks.Unchecked
) -> input_parts.Parts:
  """Returns the inputs of one modality, not yet padded."""
  config = modality.input
  if isinstance(config, VectorInputConfig):
    checks.floats(f"Modality {modality.name}", array, config.shape)
    return (array[:, None],)
  return config.module(f"{modality.name}_input")(array)


def learned_vector(name: str, channels: int) -> Float[Array, "1 {channels}"]:
  """Returns a learned vector; inside a Haiku module."""
  if not channels:
    return jnp.zeros((1, 0))
  config = position_encoding.Learned(channels=channels)
  return position_encoding.LearnedVectors(1, config, name=name)()


def pad(
  parts: input_parts.Parts, vector: Float[Array, "1 P"]
) -> input_parts.Parts:
  """Adds the same vector to every input or query, as a part of its own."""
  shape = (1, parts[0].shape[1], vector.shape[-1])
  return (*parts, jnp.broadcast_to(vector, shape).astype(parts[0].dtype))


def check(
  config: MultimodalInputConfig, inputs: Mapping[str, checks.Unchecked]
) -> int:
  """Returns the batch size of inputs that have all that is needed.

  Raises:
    ValueError: if modalities are unknown, missing or of different batch sizes.
  """
  known = {x.name for x in config.modalities}
  needed = {x.name for x in config.modalities if not x.optional}
  if set(inputs) - known or needed - set(inputs) or not inputs:
    raise ValueError(
      f"Multimodal input: the modalities are {sorted(inputs)}; expected "
      f"{sorted(needed)}, and of {sorted(known - needed)} any."
    )
  sizes = {name: array.shape[0] for name, array in inputs.items()}
  if len(set(sizes.values())) > 1:
    raise ValueError(
      f"Multimodal input: the batch sizes are {sizes}; expected one for all."
    )
  return next(iter(sizes.values()))


def input_mask(
  config: MultimodalInputConfig,
  present: Mapping[str, checks.Unchecked],  # {name: [B] bool}
) -> Bool[Array, "B M"]:
  """Returns the mask of inputs, given the modalities of every example.

  Args:
    config: of the inputs.
    present: for some modalities, whether an example has them; it has all
      others. The arrays of a modality that is absent change nothing.

  Raises:
    ValueError: if a modality is unknown, or batch sizes differ.
  """
  known = {x.name for x in config.modalities}
  if not present or set(present) - known:
    raise ValueError(
      f"Multimodal input: present is given for {sorted(present)}; expected "
      f"some of {sorted(known)}."
    )
  batch_size = len(next(iter(present.values())))
  columns = []
  for modality in config.ordered:
    has = present.get(modality.name, jnp.ones(batch_size, bool))
    checks.flags(f"Modality {modality.name}", has, (batch_size,))
    shape = (batch_size, modality.input.num_inputs)
    columns.append(jnp.broadcast_to(has[:, None], shape))
  return jnp.concatenate(columns, axis=1)
