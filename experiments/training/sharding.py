"""Devices: the only file of the project that counts them.

A mesh has two axes. A batch is divided over both; parameters and optimizer
state are divided over "fsdp" and repeated along "data". Everything else is
written for the global batch and does not depend on the number of devices.

A run over several processes differs here alone: `jax.devices()` then lists
the devices of all of them, and `put_batch` takes this process's share.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType
from jax.sharding import Mesh
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
import numpy as np

from experiments.cluster import signals
from perceiver import bounds

_DATA = "data"
_FSDP = "fsdp"
# Dividing smaller arrays costs more than it saves.
MIN_SHARDED_SIZE = 2**16


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParallelConfig:
  """The devices in use, and their division.

  Attributes:
    data: devices that hold the same parameters and see different examples;
      -1 for all that `fsdp` leaves.
    fsdp: devices that share one copy of parameters and optimizer state.
    min_sharded_size: arrays with fewer entries are repeated on every device.
  """

  data: int = -1
  fsdp: int = 1
  min_sharded_size: int = MIN_SHARDED_SIZE

  def __post_init__(self) -> None:
    if self.data != -1:
      bounds.check_ranges(self, "data")
    bounds.check_ranges(self, "fsdp")


def make_mesh(
  config: ParallelConfig, devices: Sequence[Any] | None = None
) -> Mesh:
  """Lays out the devices with axes "data" and "fsdp".

  Args:
    config: how many devices each axis has. The first data × fsdp are used;
      the rest stay idle.
    devices: those of this machine, or of all processes, if None.

  Raises:
    ValueError: if there are too few devices, or they do not divide evenly,
      or some process of several would have none of its own in use.
  """
  devices = jax.devices() if devices is None else devices
  data = config.data
  if data == -1:
    data, rest = divmod(len(devices), config.fsdp)
    if rest or not data:
      raise ValueError(
        f"{len(devices)} devices do not divide into groups of "
        f"parallel.fsdp={config.fsdp}"
      )
  used = data * config.fsdp
  if used > len(devices):
    raise ValueError(
      f"parallel.data={data} times parallel.fsdp={config.fsdp} needs {used} "
      f"devices, but there are {len(devices)}"
    )
  if used < len(devices) and process_count() > 1:
    raise ValueError(
      f"several processes must use all {len(devices)} devices, not {used}"
    )
  return jax.make_mesh(
    (data, config.fsdp),
    (_DATA, _FSDP),
    axis_types=(AxisType.Auto, AxisType.Auto),
    devices=devices[:used],
  )


def process_index() -> int:
  """Returns the number of this process; process 0 writes the files."""
  return jax.process_index()


def process_count() -> int:
  """Returns the number of processes of the run."""
  return jax.process_count()


def describe(mesh: Mesh) -> dict[str, Any]:
  """Returns the devices in words, for the record of a run."""
  device = mesh.devices.flat[0]
  return {
    "platform": device.platform,
    "kind": device.device_kind,
    "mesh": dict(mesh.shape),
    "processes": process_count(),
  }


def make_training_mesh(
  config: ParallelConfig,
  batch_size: int,
  parts: int = 1,
  devices: Sequence[Any] | None = None,
) -> Mesh:
  """Lays out the devices that share the batches of a training.

  Args:
    config: how many devices each axis has.
    batch_size: examples per step over all devices.
    parts: how many parts of a batch are computed one after the other.
    devices: as for `make_mesh`.

  Raises:
    ValueError: as `make_mesh`, or if the devices cannot share a batch evenly;
      with options that would do.
  """
  try:
    mesh = make_mesh(config, devices)
  except ValueError as error:
    advice = _advice(config, batch_size, parts, devices)
    raise ValueError(f"{error}. {advice}".strip()) from error
  unit = mesh.size * parts
  if batch_size % unit:
    nearest = max(1, round(batch_size / unit)) * unit
    raise ValueError(
      f"batch_size={batch_size} does not divide evenly over {mesh.size} devices"
      f"{f' in {parts} parts' * (parts > 1)}. "
      f"{_advice(config, batch_size, parts, devices)}In a new run "
      f"--train.batch-size {nearest} does."
    )
  return mesh


def _advice(
  config: ParallelConfig,
  batch_size: int,
  parts: int,
  devices: Sequence[Any] | None,
) -> str:
  """Returns options with which most devices share a batch, if there are any."""
  count = len(jax.devices() if devices is None else devices)
  fitting = [
    (parts // times, data * fsdp, fsdp, data)
    for times in range(1, parts + 1)
    for fsdp in range(1, config.fsdp + 1)
    for data in range(1, count // fsdp + 1)
    if parts % times == 0 and batch_size % (data * fsdp * parts // times) == 0
    if data * fsdp == count or process_count() == 1
  ]
  if not fitting:
    return ""
  accumulate, used, fsdp, data = max(fitting)
  options = [
    f"--train.parallel.data {data}",
    f"--train.parallel.fsdp {fsdp}" * (fsdp != config.fsdp),
    f"--train.accumulate {accumulate}" * (accumulate != parts),
  ]
  idle = f" ({count - used} of {count} devices stay idle)" * (used < count)
  return f"{' '.join(filter(None, options))} does{idle}. "


def for_evaluation(config: ParallelConfig) -> ParallelConfig:
  """Returns a division of the devices that there are.

  It is that of the training if they allow it, or else one of all of them that
  is like it.
  """
  try:
    make_mesh(config)
  except ValueError:
    count = len(jax.devices())
    fsdp = max(n for n in range(1, config.fsdp + 1) if count % n == 0)
    return dataclasses.replace(config, data=-1, fsdp=fsdp)
  return config


def round_up(mesh: Mesh | None, batch_size: int) -> int:
  """Returns the next batch size that devices, if any, can share evenly."""
  count = mesh.size if mesh else 1
  return -(-batch_size // count) * count


def replicated(mesh: Mesh) -> NamedSharding:
  """Returns the sharding of an array that every device holds whole."""
  return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Returns the sharding of an array whose first axis counts examples."""
  return NamedSharding(mesh, PartitionSpec((_DATA, _FSDP)))


def parts_sharding(mesh: Mesh) -> NamedSharding:
  """Returns the sharding of parts of a batch, the first axis counting them."""
  return NamedSharding(mesh, PartitionSpec(None, (_DATA, _FSDP)))


def state_shardings(
  mesh: Mesh, tree: Any, *, min_size: int = MIN_SHARDED_SIZE
) -> Any:
  """Chooses where each array of the training state lives.

  Args:
    mesh: the devices.
    tree: arrays or their shapes (`jax.eval_shape`).
    min_size: arrays with fewer entries are repeated on every device.

  Returns:
    A tree of shardings: the largest axis that "fsdp" divides is divided, the
    first of them if several are largest.
  """
  return jax.tree.map(lambda x: _state_sharding(mesh, x.shape, min_size), tree)


def _state_sharding(
  mesh: Mesh, shape: tuple[int, ...], min_size: int
) -> NamedSharding:
  groups = mesh.shape[_FSDP]
  divisible = [axis for axis, n in enumerate(shape) if n % groups == 0]
  if groups == 1 or math.prod(shape) < min_size or not divisible:
    return replicated(mesh)
  largest = max(divisible, key=lambda axis: (shape[axis], -axis))
  spec: list[str | None] = [None] * len(shape)
  spec[largest] = _FSDP
  return NamedSharding(mesh, PartitionSpec(*spec))


def put_batch(
  mesh: Mesh, batch: Mapping[str, np.ndarray]
) -> dict[str, jax.Array]:
  """Hands this process's share of a batch to the devices.

  Args:
    mesh: the devices.
    batch: arrays whose first axis counts this process's examples.

  Returns:
    Global arrays whose first axis counts the examples of all processes.
  """
  sharding = batch_sharding(mesh)
  return {
    name: jax.make_array_from_process_local_data(sharding, np.asarray(value))
    for name, value in batch.items()
  }


def with_shardings(
  shapes: Any, mesh: Mesh, min_size: int = MIN_SHARDED_SIZE
) -> Any:
  """Returns a tree of shapes with the sharding that each array gets."""
  return jax.tree.map(
    lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
    shapes,
    state_shardings(mesh, shapes, min_size=min_size),
  )


def to_host(mesh: Mesh, tree: Any) -> Any:
  """Fetches arrays as a whole, wherever they are; for all processes at once.

  Args:
    mesh: the devices.
    tree: arrays on them.

  Returns:
    NumPy arrays.
  """
  if process_count() == 1:
    return jax.device_get(tree)
  # One by one, for a device need not have room for all of them.
  whole = jax.jit(lambda x: x, out_shardings=replicated(mesh))
  return jax.tree.map(lambda x: np.asarray(whole(x)), tree)


class SharedSignal:
  """The signal that any process of a run was sent; all get it together.

  Processes that stop after different steps would wait for one another.
  """

  def __init__(self, mesh: Mesh, stop: signals.StopRequest) -> None:
    self._mesh, self._stop = mesh, stop
    self._pending: list[jax.Array] = []
    self._max = jax.jit(jnp.max, out_shardings=replicated(mesh))

  def after_step(self) -> int:
    """Returns the number of the signal, 0 if there was none.

    To be called after every step. Several processes get a signal one step
    late, so that none of them waits for the others.
    """
    if process_count() == 1:
      return self._mine()
    self._pending = [*self._pending, self._largest()][-2:]
    return int(self._pending[0])

  def now(self) -> int:
    """Returns the number of the signal; waits for all processes to call it."""
    return self._mine() if process_count() == 1 else int(self._largest())

  def _mine(self) -> int:
    return int(self._stop.signal or 0)

  def _largest(self) -> jax.Array:  # [] int32
    share = np.full([len(self._mesh.local_devices)], self._mine(), np.int32)
    numbers = put_batch(self._mesh, {"signal": share})["signal"]
    return self._max(numbers)
