"""Products of operands that are rounded as an accelerator rounds them."""

import jax
import numpy as np
import pytest

from scripts import rounded_products
from tests.helpers import tiny_models


@pytest.mark.parametrize("bits", [7, 10])
def test_products_are_those_of_rounded_operands(bits):
  generator = np.random.default_rng(0)
  x, y = generator.standard_normal((2, 3, 3), np.float32)
  product = jax.jit(lambda x, y: x @ y)
  whole = product(x, y)
  rounded = lambda x: jax.lax.reduce_precision(x, 8, bits)
  expected = product(rounded(x), rounded(y))
  with rounded_products.rounded(bits):
    found = jax.jit(lambda x, y: x @ y)(x, y)
    # Within loops as well.
    (_, looped) = jax.lax.scan(lambda c, x: (c, x @ y), 0, x[None])
  np.testing.assert_array_equal(found, expected)
  np.testing.assert_array_equal(looped[0], expected)
  assert not np.array_equal(found, whole)
  np.testing.assert_array_equal(jax.jit(lambda x, y: x @ y)(x, y), whole)


def test_fewer_bits_are_a_larger_error(monkeypatch, capsys):
  models = {"tiny": tiny_models.classifier()}
  create = rounded_products.perceiver.create
  monkeypatch.setattr(
    rounded_products.perceiver, "create", lambda name: create(models[name])
  )
  errors = rounded_products.output_error("tiny")
  ratio = errors["bfloat16"] / errors["tensorfloat32"]
  assert 2 < ratio < 16  # of three bits: 8
  rounded_products.main(models=("tiny",))
  assert errors["bfloat16"] < 0.1
  assert f"{errors['bfloat16']:.2%}" in capsys.readouterr().out
