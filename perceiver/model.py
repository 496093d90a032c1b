"""A configuration and the pure functions that it defines."""

from collections.abc import Sequence
import dataclasses
import enum
import math
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
import numpy as np

from perceiver import compilation
from perceiver import flops
from perceiver import growing
from perceiver import image_sizes
from perceiver import latent_sizes
from perceiver.attention import streams


class Precision(enum.Enum):
  """The dtype of activations; parameters are always float32.

  Softmax, norms and the sums of matrix products are float32 as well.
  """

  FLOAT32 = "float32"
  BFLOAT16 = "bfloat16"

  @property
  def dtype(self) -> jnp.dtype:
    """The dtype of the activations."""
    return jnp.dtype(self.value)


class Variables(NamedTuple):
  """All arrays of a model.

  Attributes:
    params: the trained parameters, {module: {name: array}}.
    state: arrays updated otherwise, such as batch-norm statistics; empty for
      most models.
  """

  params: Any
  state: Any


class ModelConfig(Protocol):
  """The methods that make a configuration a model."""

  def network(self, is_training: bool = False) -> Any:
    """Returns the Haiku module, with `__call__`, `encode` and `decode`."""

  def example(self, batch_size: int = 1) -> tuple[Any, ...]:
    """Returns shapes and dtypes of the arguments of `apply`."""


@dataclasses.dataclass(frozen=True)
class Model:
  """Pure functions of variables and inputs, compiled on first use.

  Attributes:
    config: the frozen configuration that defines everything.
    reference: whether attention is computed by the reference implementation,
      in the papers' order of operations: the same numbers, at a higher cost.
    num_latents: latents of calls that give no number, the first ones; None
      for all.
    class_names: of a classifier, in the order of its logits; None if they are
      not known.
  """

  config: Any
  _: dataclasses.KW_ONLY
  reference: bool = False
  num_latents: int | None = None
  class_names: tuple[str, ...] | None = None

  def init(self, key: PRNGKeyArray) -> Variables:
    """Returns freshly initialised variables; needs no data."""
    example = self.config.example()
    module = compilation.transformed(self.config, "__call__", self.reference)

    def init(key: PRNGKeyArray) -> Any:
      zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), example)
      # Batch norm makes its state in training mode only.
      return module.init(key, True, *zeros)

    return Variables(*jax.jit(init)(key))

  def apply(
    self,
    variables: Variables,
    *inputs: Any,
    rng: PRNGKeyArray | None = None,
    is_training: bool = False,
    num_latents: int | None = None,
    **options: Any,
  ) -> Any:
    """Returns the model's outputs.

    Args:
      variables: from `init`, `load` or a training run.
      *inputs: as `config.example()` says.
      rng: a key; needed only in training and only if something is random.
      is_training: whether dropout is on and batch statistics are used.
      num_latents: how many latents to use, the first ones; each number is
        compiled on its own. None for the model's `num_latents`.
      **options: masks and other optional inputs of the model.

    Raises:
      ValueError: if the model has not so many latents.
    """
    return self.apply_and_update(
      variables,
      *inputs,
      rng=rng,
      is_training=is_training,
      num_latents=num_latents,
      **options,
    )[0]

  def apply_and_update(
    self,
    variables: Variables,
    *inputs: Any,
    rng: PRNGKeyArray | None = None,
    is_training: bool = False,
    num_latents: int | None = None,
    method: str = "__call__",
    **options: Any,
  ) -> tuple[Any, Any]:
    """Returns the outputs and the state after them.

    `method` names another function of the model than `apply`, such as the
    `distribution` of a flow; all else is as of `apply`.
    """
    config, variables = self.with_first_latents(variables, num_latents)
    compiled = compilation.compiled(config, method, is_training, self.reference)
    return compiled(*variables, rng, *inputs, **options)

  def encode(
    self,
    variables: Variables,
    *inputs: Any,
    num_latents: int | None = None,
    **options: Any,
  ) -> Float[Array, "*B N D"]:
    """Returns the latents of inputs, in evaluation mode.

    `num_latents` is that of `apply`. The first n of nested latents are those
    that `num_latents=n` gives. With `segments`, `perceiver.Segments`, inputs
    are rows of many sets, and latents are [B, S, N, D].
    """
    config, variables = self.with_first_latents(variables, num_latents)
    compiled = compilation.compiled(config, "encode", False, self.reference)
    return compiled(*variables, None, *inputs, **options)[0]

  def decode(
    self,
    variables: Variables,
    latents: Float[Array | np.ndarray, "*B N D"],
    *queries: Any,
    **options: Any,
  ) -> Any:
    """Returns outputs for latents, any number of times."""
    compiled = compilation.compiled(
      self.config, "decode", False, self.reference
    )
    return compiled(*variables, None, latents, *queries, **options)[0]

  def start(self, variables: Variables, batch_size: int = 1) -> streams.Sums:
    """Returns the state of streams that have read nothing.

    Raises:
      ValueError: if the model attends to its inputs more than once.
    """
    example = self.config.example(batch_size)
    sums = jax.eval_shape(self.read, variables, None, *example).values
    return streams.nothing(sums.shape, sums.dtype)

  def read(
    self,
    variables: Variables,
    state: streams.Sums | None,
    *chunk: Any,
    **options: Any,
  ) -> streams.Sums:
    """Returns the state of streams after a chunk, in evaluation mode.

    Its size does not depend on what was read. Chunks may be of any length;
    each length is compiled on its own.

    Args:
      variables: from `init`, `load` or a training run.
      state: the state before the chunk, from `start` or `read`.
      *chunk: shaped as `config.example()`, but for the number of inputs.
      **options: masks and other optional inputs of the model.
    """
    config, variables = self.with_first_latents(variables)
    compiled = compilation.compiled(config, "read", False, self.reference)
    return compiled(*variables, None, state, *chunk, **options)[0]

  def latents(
    self, variables: Variables, state: streams.Sums
  ) -> Float[Array, "B N D"]:
    """Returns the latents of all that streams have read, as `encode` would."""
    config, variables = self.with_first_latents(variables)
    compiled = compilation.compiled(config, "latents", False, self.reference)
    return compiled(*variables, None, state)[0]

  def grow(
    self,
    variables: Variables,
    grown: growing.Grown | None,
    *inputs: Any,
    num_latents: int | None = None,
    **options: Any,
  ) -> growing.Grown:
    """Returns the first nested latents, at the cost of those not there yet.

    Its `latents` are those of `encode` with as many, in evaluation mode.

    Args:
      variables: from `init`, `load` or a training run.
      grown: fewer latents of the same inputs, from `grow`; None for none.
      *inputs: as `config.example()` says.
      num_latents: one of the model's nested sizes; None for the model's
        `num_latents`.
      **options: masks and other optional inputs of the model.

    Raises:
      ValueError: if the latents are not nested, or so many are there already.
    """
    latent_sizes.check_nested(self.config)
    config, variables = self.with_first_latents(variables, num_latents)
    compiled = compilation.compiled(config, "grow", False, self.reference)
    return compiled(*variables, None, grown, *inputs, **options)[0]

  def attention_map(
    self,
    variables: Variables,
    *inputs: Any,
    cross_attend: int = 0,
    **options: Any,
  ) -> Float[Array, "B H N M"]:
    """Returns the attention of one of the encoder's cross-attends.

    Rows sum to one. The whole array exists: for full-size models ask for one
    example at a time.

    Args:
      variables: from `init`, `load` or a training run.
      *inputs: as `config.example()` says.
      cross_attend: its number, from 0 for the first.
      **options: masks and other optional inputs of the model.

    Raises:
      ValueError: if there is no such cross-attend.
    """
    if cross_attend:
      count = self.config.perceiver.encoder.num_cross_attends
      if not 0 < cross_attend < count:
        raise ValueError(
          f"Model: cross_attend is {cross_attend}; expected 0 to {count - 1}."
        )
      options["cross_attend"] = cross_attend
    config, variables = self.with_first_latents(variables)
    compiled = compilation.compiled(
      config, "attention_map", False, self.reference
    )
    return compiled(*variables, None, *inputs, **options)[0]

  def with_first_latents(
    self, variables: Variables, num_latents: int | None = None
  ) -> tuple[Any, Variables]:
    """Returns configuration and variables of a call with so many latents."""
    wanted = self.num_latents if num_latents is None else num_latents
    if wanted is None:
      return self.config, variables
    config = latent_sizes.with_first(self.config, wanted)
    params = latent_sizes.first(variables.params, wanted)
    return config, variables._replace(params=params)

  def resized(self, size: Sequence[int]) -> "Model":
    """Returns the model for images of another height and width, pixels.

    With Fourier codes the variables stay the same, with learned positions they
    are `resized_variables`; see `image_sizes`.

    Raises:
      ValueError: if it is no model of images, or cannot take such ones.
    """
    config = image_sizes.resized(self.config, size)
    return dataclasses.replace(self, config=config)

  def resized_variables(
    self, variables: Variables, size: Sequence[int]
  ) -> Variables:
    """Returns this model's variables, resized: its learned positions are."""
    new = image_sizes.resized(self.config, size)
    params = image_sizes.resized_params(self.config, new, variables.params)
    return variables._replace(params=params)

  def shapes(self) -> Variables:
    """Returns the variables' shapes and dtypes without computing anything."""
    return jax.eval_shape(self.init, jax.random.key(0))

  def __repr__(self) -> str:
    return f"Model({type(self.config).__name__}(...))"

  def num_parameters(self) -> int:
    """Returns the number of trained parameters."""
    return sum(
      math.prod(x.shape) for x in jax.tree.leaves(self.shapes().params)
    )

  def num_flops(
    self,
    batch_size: int = 1,
    *,
    reference: bool = False,
    num_latents: int | None = None,
  ) -> int:
    """Counts the operations of one forward pass.

    Args:
      batch_size: the number of examples.
      reference: count the reference implementation, as the papers do.
      num_latents: as of `apply`.

    Returns:
      Twice the multiplications of all matrix products and convolutions.
    """
    wanted = self.num_latents if num_latents is None else num_latents
    config = self.config
    if wanted is not None:
      config = latent_sizes.with_first(config, wanted)
    module = compilation.transformed(
      config, "__call__", reference or self.reference
    )
    return flops.count(
      lambda variables, inputs: module.apply(*variables, None, False, *inputs),
      Model(config).shapes(),
      config.example(batch_size),
    )
