"""Compressors and counts of n-grams, in bits per byte of held-out data.

  python -m experiments.evaluate generation-baselines text
  python -m experiments.evaluate generation-baselines tunes --source FILE
  python -m experiments.evaluate generation-baselines pixels --source FOLDER

Compressors are given the training data before the held-out data, and what the
latter add is counted. The n-grams are those of Witten and Bell (1991): of each
length, a count is mixed with the shorter context by the number of different
successors.
"""

import bz2
import collections
from collections.abc import Callable, Sequence
import dataclasses
import lzma
import math
from typing import Literal

import tabulate
import tyro

from experiments.generation.pixels import data as pixels_data
from experiments.generation.text import data as text_data
from experiments.generation.tunes import data as tunes_data

_BETWEEN = b"\n\n"
_ORDERS = (2, 4, 6)
_MOST_IMAGES = 10_000  # whose contexts fit into memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselinesConfig:
  """Bits per byte of compressors and n-grams on held-out data.

  Attributes:
    experiment: the one whose data are compressed.
    source: its data, as --data.source; the experiment's own if None.
  """

  experiment: tyro.conf.Positional[Literal["pixels", "text", "tunes"]]
  source: str | None = None


def run(config: BaselinesConfig) -> None:
  """Prints the table.

  Raises:
    files.InputError: if the data cannot be used.
  """
  train, held_out = _sides(config)
  size = sum(map(len, held_out))
  print(f"{len(held_out)} held-out sequences of {size} bytes")
  is_image = config.experiment == "pixels"
  train = train[:_MOST_IMAGES] if is_image else train
  rows = list(table(train, held_out, is_image).items())
  print(tabulate.tabulate(rows, ("baseline", "bits_per_byte"), floatfmt=".3f"))


def _sides(config: BaselinesConfig) -> tuple[list[bytes], list[bytes]]:
  modules = {"pixels": pixels_data, "text": text_data, "tunes": tunes_data}
  module = modules[config.experiment]
  source = module.DataConfig().source
  if config.source is not None:
    source = type(source).parse(config.source)
  return module.documents(source)


def table(
  train: Sequence[bytes], held_out: Sequence[bytes], is_image: bool = False
) -> dict[str, float]:
  """Returns bits per held-out byte of every baseline.

  The contexts of square images are the pixels around.
  """
  compressors: dict[str, Callable[[bytes], bytes]] = {
    "bz2": lambda data: bz2.compress(data, 9),
    "xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
  }
  found = {
    name: compressed(compress, train, held_out)
    for name, compress in compressors.items()
  }
  context_of = above_and_left if is_image else before
  for order in (1, 2, 3, 4) if is_image else _ORDERS:
    found[f"Witten-Bell, order {order}"] = witten_bell(
      train, held_out, order, context_of
    )
  return found


def compressed(
  compress: Callable[[bytes], bytes],
  train: Sequence[bytes],
  held_out: Sequence[bytes],
) -> float:
  """Returns bits per byte: with training data before, or alone if less."""
  known, new = _BETWEEN.join(train), _BETWEEN.join(held_out)
  alone = len(compress(new))
  added = len(compress(known + _BETWEEN + new)) - len(compress(known))
  return 8 * min(alone, added) / len(new)


def before(data: bytes, end: int, order: int) -> bytes:
  """Returns the bytes before an index, zeros before the first."""
  return data[max(0, end - order) : end].rjust(order, b"\0")


def above_and_left(data: bytes, end: int, order: int) -> bytes:
  """Returns the pixels around one of a square image, the nearest last.

  These are its left one, the one above, and those above to the left and right.
  """
  width = math.isqrt(len(data))
  offsets = (1 - width, -1 - width, -width, -1)[-order:]
  return bytes(data[end + x] if end + x >= 0 else 0 for x in offsets)


def witten_bell(
  train: Sequence[bytes],
  held_out: Sequence[bytes],
  order: int,
  context_of: Callable[[bytes, int, int], bytes] = before,
) -> float:
  """Returns bits per byte of n-grams with `order` bytes of context."""
  counts: dict[bytes, collections.Counter[int]] = collections.defaultdict(
    collections.Counter
  )
  for text in train:
    for end, byte in enumerate(text):
      context = context_of(text, end, order)
      for length in range(order + 1):
        counts[context[order - length :]][byte] += 1
  totals = {context: found.total() for context, found in counts.items()}
  bits, size = 0.0, 0
  for text in held_out:
    size += len(text)
    for end, byte in enumerate(text):
      whole, probability = context_of(text, end, order), 1 / 256
      for length in range(order + 1):
        context = whole[order - length :]
        if context not in totals:
          break
        kinds, own = len(counts[context]), counts[context][byte]
        probability = (own + kinds * probability) / (totals[context] + kinds)
      bits -= math.log2(probability)
  return bits / size
