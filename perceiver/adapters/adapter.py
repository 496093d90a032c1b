"""The interface of input adapters, the same for all modalities."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Bool

from perceiver.attention import input_parts


@runtime_checkable
class InputAdapter(Protocol):
  """A configuration of how raw examples become the inputs of a Perceiver."""

  @property
  def input_channels(self) -> int:
    """Channels C of the inputs with their positions."""

  def example(self, batch_size: int = 1) -> Any:
    """Returns shapes and dtypes of a batch of raw examples."""

  def apply(
    self, examples: Any, mask: Any = None, *, is_training: bool = False
  ) -> tuple[input_parts.Parts, Bool[Array, "B M"] | None]:
    """Returns inputs and their mask; inside a Haiku module.

    Args:
      examples: a batch of raw examples.
      mask: the present parts of the examples, in the form of the modality;
        everything if None.
      is_training: whether statistics of the batch are used, and inputs masked.

    Returns:
      The inputs, and a mask, True where an input may be attended to; None
      if all may be.
    """
