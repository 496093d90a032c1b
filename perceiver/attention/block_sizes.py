"""Sizes of the blocks in which many inputs or queries are taken."""

from typing import NamedTuple

from jax import export

from perceiver import bounds

# Scores held at a time by one block of `attend` and `map_blocks`. On a CPU they
# are enough for full speed of the matrix products, and few enough to stay near
# the core; an accelerator wants few, large operations.
BLOCK_SCORES = 2**21
_BLOCK_RANGE = (256, 4096)
ACCELERATOR_BLOCK_SCORES = 2**25
_ACCELERATOR_BLOCK_RANGE = (256, 2**17)
# In place of any number of examples, in a program that is exported.
_SYMBOLIC_EXAMPLES = 8


class BlockSizes(NamedTuple):
  """Positions of the long side in one block, by the hardware lowered for."""

  cpu: int
  accelerator: int


def examples(batch: bounds.Size) -> int:
  """Returns the size of a batch, and a typical one where it may be any."""
  return _SYMBOLIC_EXAMPLES if export.is_symbolic_dim(batch) else int(batch)


def choose(
  length: int, batch: bounds.Size, scores_per_position: int
) -> BlockSizes:
  """Returns the sizes of blocks of `length` positions of the long side.

  Args:
    length: positions of the long side.
    batch: the number of examples, which may be symbolic.
    scores_per_position: of one example.
  """
  scores_per_position *= examples(batch)

  def size(scores: int, lowest: int, highest: int) -> int:
    # Without an example any size will do.
    target = min(max(scores // max(scores_per_position, 1), lowest), highest)
    return choose_block(length, target)

  return BlockSizes(
    cpu=size(BLOCK_SCORES, *_BLOCK_RANGE),
    accelerator=size(ACCELERATOR_BLOCK_SCORES, *_ACCELERATOR_BLOCK_RANGE),
  )


def choose_block(length: int, target: int) -> int:
  """Returns a block size of about `target` that divides `length` if one does.

  A divisor between half of `target` and `target` is preferred, since it
  leaves no odd block at the end, which would be compiled separately.
  """
  if length <= target:
    return length
  for size in range(target, target // 2, -1):
    if length % size == 0:
      return size
  return target


def split_blocks(length: int, size: int) -> list[tuple[int, int, int]]:
  """Splits `length` into runs of (first index, block size, number)."""
  count, rest = divmod(length, size)
  runs = [(0, size, count)] if count else []
  return [*runs, (count * size, rest, 1)] if rest else runs
