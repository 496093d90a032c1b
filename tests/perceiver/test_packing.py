"""Packed sets give what each set gives on its own, at the cost of their sum."""

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import flops
from perceiver import network
from perceiver import packing
from perceiver.attention import block_sizes
from perceiver.attention import blockwise
from perceiver.attention import segments
from tests.helpers import tiny_networks
from tests.helpers import tiny_points

LENGTHS = np.array([[10, 5, 20, 0], [1, 17, 9, 13]])
LENGTH = 42
SEGMENTS = perceiver.Segments.of_lengths(LENGTHS, LENGTH)
SETS = [
  (row, number, slice(end - size, end))
  for row, ends in enumerate(np.cumsum(LENGTHS, axis=1))
  for number, (end, size) in enumerate(zip(ends, LENGTHS[row]))
  if size
]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
  """Makes a set several tiles, and those several blocks."""
  monkeypatch.setattr(segments, "choose_size", lambda *_: 8)
  monkeypatch.setattr(block_sizes, "BLOCK_SCORES", 3 * 2 * 8 * 6)


@functools.cache
def classifier():
  model = perceiver.create(tiny_points.model_config())
  params = jax.tree.map(
    lambda x: x + 0.3 * jnp.sin(jnp.arange(float(x.size))).reshape(x.shape),
    model.init(jax.random.key(0)).params,
  )
  points = np.random.default_rng(0).uniform(-1, 1, (2, LENGTH, 3))
  return model, params, np.float32(points)


def test_logits_and_gradients_of_packed_sets_are_those_of_each():
  model, params, points = classifier()

  def packed(params):
    found = model.apply(
      perceiver.Variables(params, {}), points, segments=SEGMENTS
    )
    return jnp.stack([found[row, number] for row, number, _ in SETS])

  def padded(params):
    """Returns the same of one set in a row, the others of which are masked."""
    rows = np.stack([points[row] for row, _, _ in SETS])
    own = np.zeros((len(SETS), LENGTH), bool)
    for mask, (_, _, positions) in zip(own, SETS):
      mask[positions] = True
    return model.apply(perceiver.Variables(params, {}), rows, own)

  found, expected = packed(params), padded(params)
  np.testing.assert_allclose(found, expected, atol=1e-5)
  total = lambda f: jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(f(x)))))
  gradients = (total(f)(params) for f in (packed, padded))
  for x, y in zip(*map(jax.tree.leaves, gradients), strict=True):
    np.testing.assert_allclose(x, y, atol=1e-4 * max(1, np.abs(y).max()))


def test_what_belongs_to_no_set_changes_nothing():
  model, params, points = classifier()
  encode = lambda points, *mask: model.encode(
    perceiver.Variables(params, {}), points, *mask, segments=SEGMENTS
  )
  spoilt = np.where((np.asarray(SEGMENTS.ids) < 0)[..., None], np.nan, points)
  np.testing.assert_array_equal(encode(spoilt), encode(points))
  mask = np.arange(LENGTH)[None].repeat(2, 0) != 13
  without = encode(np.where(mask[..., None], points, np.nan), mask)
  changed = np.any(without != encode(points), axis=(2, 3))
  np.testing.assert_array_equal(changed, [[0, 1, 0, 0], [0, 1, 0, 0]])


def test_encoding_and_decoding_agree_with_the_reference_in_float64():
  """Queries of a set are decoded from its own latents alone."""
  config = tiny_networks.perceiver_config(input_channels=6)
  counts = np.array([[3, 0, 9, 2], [1, 1, 1, 10]])
  query_segments = perceiver.Segments.of_lengths(counts, 15)

  def run(inputs, queries):
    module = network.Perceiver(config, name="perceiver")
    latents = packing.encode(module, (inputs,), SEGMENTS)
    outputs = packing.decode(module, latents, (queries,), query_segments)
    return latents, outputs

  def plain(inputs, mask, queries):
    module = network.Perceiver(config, name="perceiver")
    return module((inputs,), (queries,), input_mask=mask)

  ids = np.asarray(query_segments.ids)
  each = ids[..., None] == np.arange(4)  # [B, O, S]
  masks = np.asarray(SEGMENTS.ids) == np.arange(4)[:, None, None]  # [S, B, M]

  with jax.enable_x64(True):
    generator = np.random.default_rng(1)
    inputs = jnp.asarray(generator.normal(size=(2, LENGTH, 6)))
    queries = jnp.asarray(generator.normal(size=(2, 15, 4)))
    packed, apart = (
      hk.without_apply_rng(hk.transform(f)) for f in (run, plain)
    )
    params = packed.init(jax.random.key(0), inputs, queries)
    params = jax.tree.map(lambda x: np.float64(3 * x), params)

    def together(*operands):
      latents, found = packed.apply(*operands)
      assert latents.shape == (2, 4, 5, 8)
      return jnp.sum(jnp.sin(found)), found

    def one_by_one(params, inputs, queries):
      of_sets = jax.lax.map(
        lambda mask: apart.apply(params, inputs, mask, queries), masks
      )  # [S, B, O, F]
      found = jnp.einsum("sbof,bos->bof", of_sets, each.astype(float))
      return jnp.sum(jnp.sin(found)), found

    (found, gradients), (expected, wanted) = (
      jax.jit(jax.value_and_grad(f, (0, 1, 2), has_aux=True))(
        params, inputs, queries
      )
      for f in (together, one_by_one)
    )
    assert found[1].dtype == "float64"
    np.testing.assert_allclose(found[1], expected[1], atol=1e-11)
    for x, y in zip(*map(jax.tree.leaves, (gradients, wanted)), strict=True):
      np.testing.assert_allclose(x, y, atol=1e-11 * max(1, np.abs(y).max()))


def operations(length, count):
  """Counts those of one row of sets, each with four queries of its own."""
  options = blockwise.Options(lambda _, x: (x[:, None],) * 2, 16)
  shape = jax.ShapeDtypeStruct

  def attend(queries, inputs, ids):
    sets = perceiver.Segments(ids, count)
    part = segments.Packed((inputs,), sets)
    return blockwise.attend(options, queries, (part,), None, None, None)[0]

  return flops.count(
    attend,
    shape((count, 1, 4, 6), jnp.float32),
    shape((1, length, 6), jnp.float32),
    shape((1, length), jnp.int32),
  )


def test_operations_grow_with_the_sum_of_the_lengths():
  per_input = 2 * 2 * 4 * 6
  for length, count in ((1000, 1), (1000, 10), (4000, 10), (4000, 40)):
    found = operations(length, count)
    assert found <= per_input * (length + 8 * count)
  apart = per_input * 4000 * 40  # each set attending to the whole row
  assert found < apart / 30


def test_a_batch_without_rows():
  model, params, points = classifier()
  found = jax.eval_shape(
    model.apply,
    perceiver.Variables(params, {}),
    points[:0],
    segments=perceiver.Segments.of_lengths(LENGTHS[:0], LENGTH),
  )
  assert found.shape == (0, 4, 10)


def test_lengths_make_ids():
  found = perceiver.Segments.of_lengths([[2, 0, 1], [0, 4, 1]], 4)
  np.testing.assert_array_equal(found.ids, [[0, 0, 2, -1], [1, 1, 1, 1]])
  assert found.count == 3


@pytest.mark.parametrize(
  ("ids", "count", "message"),
  [
    ([[0, 1, 0]], 2, "positions of one set are apart"),
    ([[0, 2]], 2, "an id is 2; expected less than the count, 2"),
    ([[0.0, 1.0]], 2, "expected integers"),
    ([[0]], 0, "count is 0; expected at least 1"),
  ],
)
def test_impossible_segments_are_refused(ids, count, message):
  with pytest.raises(ValueError, match=message):
    perceiver.Segments(np.array(ids), count)


def test_ids_of_other_rows_are_refused():
  model, params, points = classifier()
  other = perceiver.Segments(np.zeros((2, 41), int), 1)
  with pytest.raises(ValueError, match=r"ids have shape \[2, 41\]"):
    model.apply(perceiver.Variables(params, {}), points, segments=other)


def test_sets_in_too_many_pieces_give_nan_where_nothing_can_check_them():
  model, params, points = classifier()
  ids = jnp.stack([jnp.arange(LENGTH) % 4, jnp.arange(LENGTH) // 11])
  found = model.encode(
    perceiver.Variables(params, {}), points, segments=perceiver.Segments(ids, 4)
  )
  np.testing.assert_array_equal(np.isnan(found).all((1, 2, 3)), [True, False])
