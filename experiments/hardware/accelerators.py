"""Accelerators for which programs can be compiled without one of them.

Sizes and rates are the makers': Google Cloud's pages of each TPU generation,
and the device descriptions that XLA keeps of NVIDIA's cards.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import importlib.util
import math
import os
from typing import Any, NamedTuple

import jax
from jax.experimental import topologies

from perceiver import errors

_GIB = 2**30


class HardwareError(errors.PerceiverError, ValueError):
  """There is no such hardware, or no compiler for it is installed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accelerator:
  """Devices of one kind.

  Attributes:
    name: as on the command line, such as tpu-v5e-64.
    platform: "tpu" or "cuda".
    chips: number of chips or cards.
    num_devices: number of JAX's devices.
    topology: their arrangement, in the compiler's spelling.
    memory: bytes of one device.
    matrix_rate: operations a second of one device's matrix units, products of
      bfloat16.
    clock: cycles a second; None where the compiler counts none.
  """

  name: str
  platform: str
  chips: int
  num_devices: int
  topology: str
  memory: int
  matrix_rate: float
  clock: float | None = None

  def describe(self) -> str:
    """Returns the hardware in one line."""
    kind = "chips" if self.platform == "tpu" else "cards"
    return (
      f"{self.name}: {kind} {self.chips}, devices {self.num_devices} of "
      f"{self.memory / 1e9:.1f} GB, topology {self.topology}"
    )


class _Generation(NamedTuple):
  """A generation of TPUs.

  The clock follows from the published rate and the matrix units, which make
  `per_cycle` operations in a cycle.
  """

  per_chip: int  # in the number of its name: cores of a chip, or 1
  devices: int  # per chip, as the compiler counts them
  memory: int  # GiB per chip
  rate: float  # operations per second and chip
  per_cycle: int  # operations per cycle and device
  axes: int  # of its network
  kind: str  # in JAX's spelling


# v4's two cores are one device on a real machine; its compiler counts two.
_GENERATIONS: Mapping[str, _Generation] = {
  "v3": _Generation(2, 2, 32, 123e12, 2**16, 2, "TPU v3"),
  "v4": _Generation(2, 2, 32, 275e12, 2**17, 3, "TPU v4"),
  "v5e": _Generation(1, 1, 16, 197e12, 2**17, 2, "TPU v5 lite"),
  "v5p": _Generation(2, 1, 95, 459e12, 2**18, 3, "TPU v5"),
  "v6e": _Generation(1, 1, 32, 918e12, 2**19, 2, "TPU v6 lite"),
}
_SMALLEST = 4  # chips of which the compiler knows an arrangement


class _Card(NamedTuple):
  """A card, by what XLA's description of it says beyond `_TARGET`."""

  title: str
  capability: tuple[int, int]
  cores: int
  units_per_core: int
  shared_memory: int
  bandwidth: int
  cache: int
  clock: float
  memory: int
  rate: float  # operations per second


_CARDS: Mapping[str, _Card] = {
  "a100-80gb": _Card(
    *("NVIDIA A100-SXM4-80GB", (8, 0), 108, 64, 167936, 2039040000000),
    *(41943040, 1.41, 85100068864, 312e12),
  ),
  "h100": _Card(
    *("NVIDIA H100 80GB HBM3", (9, 0), 132, 128, 233472, 3352320000000),
    *(52428800, 1.98, 84942979072, 989e12),
  ),
  "h200": _Card(
    *("NVIDIA H200 141GB HBM3e", (9, 0), 132, 128, 233472, 4800000000000),
    *(52428800, 1.98, 151397597184, 989e12),
  ),
  "b200": _Card(
    *("NVIDIA B200", (10, 0), 148, 128, 233472, 7672320000000),
    *(132644864, 1.965, 191514411008, 2250e12),
  ),
}
_TARGET = """
gpu_device_info {{
  threads_per_block_limit: 1024 threads_per_warp: 32
  shared_memory_per_block: 49152 shared_memory_per_core: {shared}
  threads_per_core_limit: 2048 core_count: {cores} fpus_per_core: {units}
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535
  block_dim_limit_z: 65535 memory_bandwidth: {bandwidth}
  l2_cache_size: {cache} clock_rate_ghz: {clock} device_memory_size: {memory}
  shared_memory_per_block_optin: {optin}
  cuda_compute_capability {{ major: {major} minor: {minor} {features} }}
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
device_description_str: "{title}"
"""
_CARDS_PER_HOST = (1, 2, 4, 8)


def names() -> list[str]:
  """Returns the names of all hardware."""
  tpus = [
    f"tpu-{name}-{chips * kind.per_chip}"
    for name, kind in _GENERATIONS.items()
    for chips in (1, 4, 8, 16, 32, 64, 128, 256)
    if chips > 1 or kind.per_chip == 1
  ]
  return tpus + [f"{card}-{n}" for card in _CARDS for n in _CARDS_PER_HOST]


def find(name: str) -> Accelerator:
  """Returns the hardware of a name, tpu-GENERATION-N or CARD-N.

  Args:
    name: N counts as the cloud's provider does: cores of v3, v4 and v5p, chips
      of v5e and v6e, cards; 1 card if left out.

  Raises:
    HardwareError: if there is none.
  """
  name = f"{name}-1" if name in _CARDS else name
  kind, _, number = name.removeprefix("tpu-").rpartition("-")
  if name not in names():
    known = f"tpu-{{{','.join(_GENERATIONS)}}}-N, {{{','.join(_CARDS)}}}-N"
    raise HardwareError(
      f"there is no hardware {name!r}; expected {known}; all of them: --on list"
    )
  if kind in _CARDS:
    card = _CARDS[kind]
    return Accelerator(
      name=name,
      platform="cuda",
      chips=int(number),
      num_devices=int(number),
      topology=f"1x1x{number}",
      memory=card.memory,
      matrix_rate=card.rate,
    )
  tpu = _GENERATIONS[kind]
  chips = int(number) // tpu.per_chip
  return Accelerator(
    name=name,
    platform="tpu",
    chips=chips,
    num_devices=chips * tpu.devices,
    topology=f"{kind}:{_arrangement(max(chips, _SMALLEST), tpu.axes)}",
    memory=tpu.memory * _GIB // tpu.devices,
    matrix_rate=tpu.rate / tpu.devices,
    clock=tpu.rate / tpu.devices / tpu.per_cycle,
  )


def name_of(kind: str, count: int) -> str | None:
  """Returns the name of devices; None if there is none for them.

  Args:
    kind: of a device, in JAX's spelling.
    count: of the devices.
  """
  found = {}
  for name, tpu in _GENERATIONS.items():
    # A TPU v4's two cores are one device on a real machine.
    per_chip = 1 if name == "v4" else tpu.devices
    found[tpu.kind] = f"tpu-{name}-{count * tpu.per_chip // per_chip}"
  found |= {card.title: f"{name}-{count}" for name, card in _CARDS.items()}
  known = found.get(kind)
  return known if known in names() else None


def _arrangement(chips: int, axes: int) -> str:
  """Returns a power of two as sides, the smaller ones first."""
  doublings = int(math.log2(chips))
  sides = [2 ** ((doublings + i) // axes) for i in range(axes)]
  if axes == 3 and chips == _SMALLEST:
    sides = [2, 2, 1]
  return "x".join(map(str, sides))


def prepare() -> None:
  """Leaves devices of this machine alone, and keeps the compilers quiet.

  To be called before JAX starts its backends.
  """
  jax.config.update("jax_platforms", "cpu")
  os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
  os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
  os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
  os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
  os.environ.setdefault("TPU_STDERR_LOG_LEVEL", "3")
  os.environ.setdefault("TPU_MIN_LOG_LEVEL", "3")
  os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")


def has_compiler(accelerator: Accelerator) -> bool:
  """Returns whether the compiler for some hardware is installed."""
  package = "libtpu"
  if accelerator.platform == "cuda":
    package = "jax_plugins.xla_cuda13"
  try:
    return importlib.util.find_spec(package) is not None
  except ModuleNotFoundError:
    return False


def devices(accelerator: Accelerator) -> Sequence[Any]:
  """Returns devices to compile for, none of which is here.

  Raises:
    HardwareError: naming the command that installs the compiler.
  """
  is_tpu = accelerator.platform == "tpu"
  if not has_compiler(accelerator):
    extra = "tpu" if is_tpu else "preflight-cuda"
    raise HardwareError(
      f"the compiler for {accelerator.name} is not installed; install it with "
      f"`pip install -e '.[{extra}]'`"
    )
  options = {} if is_tpu else {"topology": accelerator.topology}
  if not is_tpu:
    card = _CARDS[accelerator.name.rpartition("-")[0]]
    options["target_config"] = _target(card)
  try:
    found = topologies.get_topology_desc(
      platform=accelerator.platform,
      topology_name=accelerator.topology if is_tpu else "",
      **options,
    ).devices
  except (NotImplementedError, jax.errors.JaxRuntimeError) as error:
    raise HardwareError(
      f"the compiler for {accelerator.name} cannot be used: {error}"
    ) from error
  return found[: accelerator.num_devices]


def _target(card: _Card) -> str:
  major, minor = card.capability
  return _TARGET.format(
    shared=card.shared_memory,
    cores=card.cores,
    units=card.units_per_core,
    bandwidth=card.bandwidth,
    cache=card.cache,
    clock=card.clock,
    memory=card.memory,
    optin=card.shared_memory - 1024,
    major=major,
    minor=minor,
    features="feature_extension: ACCELERATED_FEATURES" * (major >= 9),
    title=card.title,
  )
