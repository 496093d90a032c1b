"""Settings that must be made before JAX starts."""

import gc
import os
import pathlib
import pkgutil
import tempfile

# Collectives over simulated devices need more threads than a two-core machine
# would give them by default; without this they wait for one another for ever.
os.environ.setdefault("NPROC", "32")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Of two equal flags, the last holds.
os.environ["XLA_FLAGS"] = (
  "--xla_force_host_platform_device_count=4 " + os.environ.get("XLA_FLAGS", "")
)
_CACHE = pathlib.Path(tempfile.gettempdir()) / "perceiver-test-compilations"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")

from absl import flags  # noqa: E402

flags.FLAGS.mark_as_parsed()  # Grain reads flags that nobody here parses.

import jax  # noqa: E402
import pytest  # noqa: E402

from tests.helpers import annotations  # noqa: E402
from tests.helpers import mutations  # noqa: E402

_CHECKED = (
  "experiments.image_classification.mixing",
  "experiments.optical_flow.flow_metrics",
  "experiments.starcraft.objective",
  "experiments.training.losses",
)

# Annotations of the library, and of these, are checked here; in production
# they are not. Checkpoints are left out: their readers are tested with 50,000
# calls to refuse a file, and within a time.
_LIBRARY = pathlib.Path(__file__).parents[1] / "perceiver"
annotations.install(
  [
    f"perceiver.{module.name}"
    for module in pkgutil.iter_modules([str(_LIBRARY)])
    if module.name != "checkpoints"
  ]
  + [*_CHECKED]
)

# A process may have some 65,000 mappings of memory, and every compiled program
# takes a dozen: all tests in one process would run out of them and be aborted.
_MOST_MAPPINGS = 20_000
_MAPPINGS = pathlib.Path("/proc/self/maps")


def pytest_addoption(parser):
  parser.addoption(
    "--fuzz-examples",
    type=int,
    help=f"random inputs for every reader (default: {mutations.EXAMPLES} that "
    "are always the same)",
  )


def pytest_configure(config):
  mutations.settings(config)


@pytest.fixture(scope="module", autouse=True)
def _programs_are_forgotten():
  """Drops compiled programs between files of tests once there are many."""
  yield
  if _MAPPINGS.exists():
    with _MAPPINGS.open() as lines:
      mappings = sum(1 for _ in lines)
    if mappings > _MOST_MAPPINGS:
      jax.clear_caches()
      gc.collect()
