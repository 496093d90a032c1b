"""Compressors and counts of n-grams, in bits per byte of held-out data.

  python -m experiments.evaluate generation-baselines text
  python -m experiments.evaluate generation-baselines tunes --source FILE

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

import tabulate
import tyro

from experiments.cli import errors

_BETWEEN = b"\n\n"
_ORDERS = (2, 4, 6)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselinesConfig:
  """Bits per byte of compressors and n-grams on held-out data.

  Attributes:
    experiment: text or tunes.
    source: its data, as --data.source; the experiment's own if None.
  """

  experiment: tyro.conf.Positional[str]
  source: str | None = None


def run(config: BaselinesConfig) -> None:
  """Prints the table.

  Raises:
    errors.UsageError: if there is no such experiment.
    files.InputError: if the data cannot be used.
  """
  train, held_out = _sides(config)
  size = sum(map(len, held_out))
  print(f"{len(held_out)} held-out sequences of {size} bytes")
  rows = list(table(train, held_out).items())
  print(tabulate.tabulate(rows, ("baseline", "bits_per_byte"), floatfmt=".3f"))


def _sides(config: BaselinesConfig) -> tuple[list[bytes], list[bytes]]:
  from experiments.generation.text import data as text_data
  from experiments.generation.tunes import data as tunes_data

  modules = {"text": text_data, "tunes": tunes_data}
  if config.experiment not in modules:
    raise errors.UsageError(
      f"there are no baselines of {config.experiment!r}; expected one of "
      f"{', '.join(modules)}"
    )
  module = modules[config.experiment]
  source = module.DataConfig().source
  if config.source is not None:
    source = type(source).parse(config.source)
  return module.documents(source)


def table(
  train: Sequence[bytes], held_out: Sequence[bytes]
) -> dict[str, float]:
  """Returns bits per held-out byte of every baseline."""
  compressors: dict[str, Callable[[bytes], bytes]] = {
    "bz2": lambda data: bz2.compress(data, 9),
    "xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
  }
  found = {
    name: compressed(compress, train, held_out)
    for name, compress in compressors.items()
  }
  for order in _ORDERS:
    found[f"Witten-Bell, order {order}"] = witten_bell(train, held_out, order)
  return found


def compressed(
  compress: Callable[[bytes], bytes],
  train: Sequence[bytes],
  held_out: Sequence[bytes],
) -> float:
  """Returns bits per byte: with training data before, or alone if less."""
  before, after = _BETWEEN.join(train), _BETWEEN.join(held_out)
  alone = len(compress(after))
  added = len(compress(before + _BETWEEN + after)) - len(compress(before))
  return 8 * min(alone, added) / len(after)


def witten_bell(
  train: Sequence[bytes], held_out: Sequence[bytes], order: int
) -> float:
  """Returns bits per byte of n-grams with `order` bytes of context."""
  counts: dict[bytes, collections.Counter[int]] = collections.defaultdict(
    collections.Counter
  )
  for text in train:
    padded = bytes(order) + text
    for end in range(order, len(padded)):
      for length in range(order + 1):
        counts[padded[end - length : end]][padded[end]] += 1
  totals = {context: found.total() for context, found in counts.items()}
  bits, size = 0.0, 0
  for text in held_out:
    padded = bytes(order) + text
    size += len(text)
    for end in range(order, len(padded)):
      chance = 1 / 256
      for length in range(order + 1):
        context = padded[end - length : end]
        if context not in totals:
          break
        kinds, own = len(counts[context]), counts[context][padded[end]]
        chance = (own + kinds * chance) / (totals[context] + kinds)
      bits -= math.log2(chance)
  return bits / size
