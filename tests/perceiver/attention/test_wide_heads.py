"""The GPU's kernel, interpreted, gives what the formula gives in float64."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import layers
from perceiver.attention import blockwise
from perceiver.attention import cross_attention
from perceiver.attention import projections
from perceiver.attention import wide_heads

B, T, S, K, V = 2, 20, 70, 37, 21
TILES = wide_heads.Tiles(16, 16, 4, 2, 1)


def array(seed, *shape, dtype=jnp.bfloat16):
  x = np.random.default_rng(seed).standard_normal(shape)
  return jnp.asarray(x, dtype)


def operands(separate_values):
  values = array(2, B, S, V) if separate_values else None
  return array(0, B, T, K) / np.sqrt(K), array(1, B, S, K), values


def formula(queries, keys, values, bias=None, mask=None):
  """Returns attended values and log-sum-exps; zeros of rows without a key."""
  queries, keys = np.float64(queries), np.float64(keys)
  values = keys if values is None else np.float64(values)
  scores = np.einsum("btk,bsk->bts", queries, keys)
  if bias is not None:
    scores += np.float64(bias)[:, None]
  weights = np.exp(scores)
  if mask is not None:
    weights *= np.asarray(mask)[:, None]
  total = weights.sum(-1)
  safe = np.where(total == 0, 1, total)
  normaliser = np.where(total == 0, np.inf, np.log(safe))
  attended = np.einsum("bts,bsv->btv", weights, values)
  return attended / safe[..., None], normaliser


def relative(found, expected):
  difference = np.linalg.norm(np.float64(found) - expected)
  return difference / np.linalg.norm(expected)


@pytest.mark.parametrize("separate_values", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_outputs_and_normalisers(separate_values, masked, biased):
  inputs = operands(separate_values)
  bias = array(3, B, S, dtype=jnp.float32) if biased else None
  mask = None
  if masked:
    mask = np.random.default_rng(4).random((B, S)) < 0.5
    mask[0] = False
    mask = jnp.asarray(mask)
  found = wide_heads.attend(
    *inputs, bias=bias, mask=mask, tiles=TILES, interpret=True
  )
  expected = formula(*inputs, bias, mask)
  assert relative(found[0], expected[0]) < 4e-3
  np.testing.assert_allclose(found[1], expected[1], atol=2e-5)
  if masked:
    assert not found[0][0].any()
    assert np.isposinf(found[1][0]).all()


@pytest.mark.parametrize("channels", [16, 100, 261, 322, 512])
def test_every_width_is_cut_into_slices_that_cover_it(channels):
  tiles = wide_heads.choose_tiles(channels, separate_values=False)
  queries, keys = array(0, 1, 8, channels), array(1, 1, 33, channels)
  small = tiles._replace(queries=16, keys=16)
  found, _ = wide_heads.attend(
    queries / np.sqrt(channels), keys, tiles=small, interpret=True
  )
  expected, _ = formula(queries / np.sqrt(channels), keys, None)
  assert relative(found, expected) < 4e-3


def test_scores_of_minus_infinity_give_zeros():
  queries, keys, _ = operands(False)
  bias = jnp.full((B, S), -jnp.inf)
  found, normaliser = wide_heads.attend(
    queries, keys, bias=bias, tiles=TILES, interpret=True
  )
  assert not found.any()
  assert np.isposinf(normaliser).all()


def test_shards_of_examples_are_computed_where_they_are():
  auto = (jax.sharding.AxisType.Auto,)
  mesh = jax.make_mesh((4,), ("data",), axis_types=auto)
  shard = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
  queries, keys = array(0, 8, T, K) / np.sqrt(K), array(1, 8, S, K)

  @jax.jit
  def attend(queries, keys):
    return wide_heads.attend(queries, keys, tiles=TILES, interpret=True)[0]

  sharded = jax.device_put((queries, keys), shard)
  program = attend.lower(*sharded).compile().as_text()
  assert "all-gather" not in program
  found = attend(*sharded)
  assert found.sharding.is_equivalent_to(shard, found.ndim)
  np.testing.assert_array_equal(found, attend(queries, keys))


@pytest.fixture
def interpreted(monkeypatch):
  """Makes the kernel run without a GPU."""
  kernel = wide_heads.attend
  monkeypatch.setattr(
    wide_heads,
    "attend",
    lambda *a, **k: kernel(*a, **k, tiles=TILES, interpret=True),
  )


def test_the_gradient_beside_the_kernel(interpreted):
  inputs = (*operands(True), array(3, B, S, dtype=jnp.float32))

  def loss(function):
    return lambda *x: jnp.sum(jnp.sin(function(*x).astype(jnp.float32)))

  def plain(queries, keys, values, bias):
    wide = [x.astype(jnp.float32) for x in (queries, keys, values)]
    scores = jnp.einsum("btk,bsk->bts", *wide[:2]) + bias[:, None]
    return jnp.einsum("bts,bsv->btv", jax.nn.softmax(scores), wide[2])

  arguments = (0, 1, 2, 3)
  found = jax.grad(loss(wide_heads.attend_differentiably), arguments)(*inputs)
  expected = jax.grad(loss(plain), arguments)(*inputs)
  for x, y in zip(found, expected, strict=True):
    assert relative(x, np.float64(y)) < 2e-2


def test_the_gradient_of_scores_of_minus_infinity_is_zero(interpreted):
  bias = jnp.zeros((B, S)).at[0].set(-jnp.inf)

  def loss(*x):
    return jnp.sum(wide_heads.attend_differentiably(*x, bias).astype("f"))

  for x in jax.grad(loss, (0, 1, 2))(*operands(True)):
    assert not x[0].any()
    assert x[1].any()


def test_a_cross_attention_by_the_kernel_and_its_gradient(
  interpreted, monkeypatch
):
  """The kernel's forward pass fits the backward pass of the blocks."""
  config = projections.AttentionConfig(
    num_heads=1, qk_channels=K, v_channels=K, output_channels=K
  )
  weights = projections.AttentionWeights(
    *(
      layers.LinearWeights(array(i, K, K, dtype=jnp.float32) / 6, jnp.zeros(K))
      for i in range(4)
    )
  )
  norm = layers.NormWeights(jnp.ones(K), jnp.zeros(K))
  mask = jnp.arange(S) < jnp.array([[S], [3]])

  def outcome(forced):
    given = []

    def choose(*operands, cpu, default, cuda=None, tpu=None):
      given.append(cuda is not None)
      return (cuda or default if forced else cpu)(*operands)

    monkeypatch.setattr(jax.lax, "platform_dependent", choose)

    def loss(queries, inputs):
      y = cross_attention.attend(
        config, weights, norm, queries, (inputs,), input_mask=mask
      )
      return jnp.sum(jnp.sin(y.astype(jnp.float32))), y

    arguments = (array(7, B, 2, K), array(8, B, S, K))
    gradients, y = jax.grad(loss, (0, 1), has_aux=True)(*arguments)
    assert given == [True, False]  # forward, backward
    return (y, *gradients)

  for x, y in zip(outcome(True), outcome(False), strict=True):
    assert relative(x, np.float64(y)) < 2e-2


def h100():
  """The card to lower for, which newer versions of JAX want to be told."""
  card = jax.sharding.AbstractDevice("NVIDIA H100 80GB HBM3", 132, "gpu")
  mesh = jax.sharding.AbstractMesh(
    (1,),
    ("data",),
    axis_types=(jax.sharding.AxisType.Auto,),
    abstract_device=card,
  )
  return jax.sharding.use_abstract_mesh(mesh)


def lowered(platform, channels, dtype=jnp.bfloat16):
  options = blockwise.Options(
    lambda _, x: (x[:, None], x[:, None]), S, shared_keys=True
  )

  def loss(queries, inputs):
    return jnp.sum(
      blockwise.attend(options, queries, (inputs,), None, None, None)[0]
    )

  shapes = (
    jax.ShapeDtypeStruct((B, 1, T, channels), dtype),
    jax.ShapeDtypeStruct((B, S, channels), dtype),
  )
  target = h100() if platform == "cuda" else contextlib.nullcontext()
  with target:
    traced = jax.jit(jax.grad(loss, (0, 1))).trace(*shapes)
    return traced.lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("channels", [261, 322, 512])
def test_only_a_gpu_gets_the_kernel(channels):
  assert "attend_wide_heads" in lowered("cuda", channels)
  assert "attend_wide_heads" not in lowered("cpu", channels)
  assert "attend_wide_heads" not in lowered("tpu", channels)


def test_what_the_kernel_does_not_take_goes_by_blocks():
  assert "attend_wide_heads" not in lowered("cuda", 704)
  assert "attend_wide_heads" not in lowered("cuda", 261, jnp.float32)
  with pytest.raises(ValueError, match="704 channels"):
    wide_heads.attend(array(0, 1, 8, 704), array(1, 1, 8, 704))


def test_the_declared_cost_is_that_of_the_padded_products():
  traced = jax.make_jaxpr(
    lambda q, k, v: wide_heads.attend(q, k, v, tiles=TILES)
  )(*operands(True))
  costs = []

  def walk(jaxpr):
    for equation in jaxpr.eqns:
      if equation.primitive.name == "pallas_call":
        costs.append(equation.params["cost_estimate"])
      for value in equation.params.values():
        inner = getattr(value, "jaxpr", value)
        if hasattr(inner, "eqns"):
          walk(inner)

  walk(traced.jaxpr)
  # 20 queries are padded to 32, 37 and 21 channels to 48 and 32.
  assert [cost.flops for cost in costs] == [2 * B * 32 * S * (48 + 32)]
