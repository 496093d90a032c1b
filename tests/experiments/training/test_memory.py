"""Programs that fit into memory, and programs that do not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.training import memory
from experiments.training import trainer
from tests.helpers.recipes import sums

X = jax.ShapeDtypeStruct((1000,), jnp.float32)


def _outer(x):
  return jnp.sort(jnp.outer(x, x), axis=0).sum()  # 4 MB in between


def test_arguments_results_and_what_is_in_between_count():
  doubled = jax.jit(lambda x: 2 * x).lower(X).compile()
  assert memory.required(doubled) == 2 * 4000
  assert memory.required(jax.jit(_outer).lower(X).compile()) > 4_000_000


def test_what_fits_is_compiled():
  compiled = memory.compile_within(jax.jit(_outer), X)
  assert compiled(np.ones(1000, np.float32)) == 1e6


def test_what_does_not_fit_is_refused():
  message = (
    r"needs 0\.0 GB of memory on every device; 0\.0 GB are there.*--mini"
  )
  with pytest.raises(memory.MemoryLimitError, match=message):
    memory.compile_within(jax.jit(_outer), X, available=2_000_000)


def test_the_machine_has_memory():
  assert 2**28 < jax.local_device_count() * memory.device_memory() < 2**50


def test_a_run_that_does_not_fit_leaves_no_folder(
  tmp_path, monkeypatch, capsys
):
  monkeypatch.setattr(memory, "device_memory", lambda: 1000)
  workdir = tmp_path / "run"
  with pytest.raises(memory.MemoryLimitError):
    trainer.train(sums.EXPERIMENTS["plain"], workdir)
  assert not workdir.exists()
  # The banner comes before anything takes time.
  shown = capsys.readouterr().err
  assert f"steps of {sums.EXPERIMENTS['plain'].train.batch_size}" in shown
  assert str(workdir) in shown
  for words in (" parameters", "devices: ", "checkpoint every", "compiling"):
    assert words in shown
