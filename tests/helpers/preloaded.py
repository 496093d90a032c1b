"""Imports of the server that starts processes of tests."""

import os
import tempfile

os.environ.setdefault("NPROC", "32")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ.setdefault(
  "JAX_COMPILATION_CACHE_DIR",
  os.path.join(tempfile.gettempdir(), "perceiver-test-compilations"),
)

from tests.helpers import faulty  # noqa: F401
