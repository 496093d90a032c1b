"""Sizes and laws of the optical flow models (2107.14795 table 16)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import config_json
from perceiver import decoder
from perceiver import flops
from perceiver.adapters import flow
from perceiver.adapters import image
from perceiver.models import optical_flow
from perceiver.models import registry
from tests.helpers import noise

# Name: (parameters, GFLOPs at batch 1, inputs, queries, channels of both).
# Published or counted from the released code: the main and the small one. The
# other counts are of our own reading of the paper, see the model's file.
TABLE = {
  "optical_flow": (41_057_134, 1886.92, 182_528, 182_528, 322),
  "optical_flow_separate": (41_720_272, 3096.97, 365_056, 182_528, 451),
  "optical_flow_pixels": (41_054_062, 1885.62, 182_528, 182_528, 322),
  "optical_flow_pixels_separate": (41_718_736, 3095.85, 365_056, 182_528, 451),
  "optical_flow_conv": (41_102_074, 463.76, 11_408, 11_408, 322),
  "optical_flow_conv_separate": (41_765_530, 540.09, 22_816, 11_408, 451),
  "optical_flow_conv_small": (27_953_914, 147.09, 11_408, 11_408, 322),
  "optical_flow_small": (27_908_974, 985.69, 182_528, 182_528, 322),
}


def test_table_is_complete():
  assert set(TABLE) == set(optical_flow.CONFIGS)
  assert set(TABLE) <= set(perceiver.list_models())


@pytest.mark.parametrize("name", TABLE)
def test_parameters_and_operations(name):
  parameters, gflops, inputs, outputs, channels = TABLE[name]
  model = perceiver.create(name)
  frames = model.config.frames
  assert (frames.num_inputs, frames.num_outputs) == (inputs, outputs)
  assert frames.input_channels == channels
  assert model.num_parameters() == parameters
  assert model.num_flops(reference=True) / 1e9 == pytest.approx(
    gflops, rel=1e-3
  )
  assert model.num_flops() < model.num_flops(reference=True)


def test_cost_is_affine_in_the_pixels():
  def gflops(size):
    model = perceiver.create(optical_flow.optical_flow(size=size))
    return model.num_flops(reference=True) / 1e9

  sizes = ((92, 124), (184, 248), (368, 496), (736, 992))
  expected = (461.45, 746.55, 1886.92, 6448.42)
  assert [gflops(size) for size in sizes] == pytest.approx(expected, rel=1e-3)


def test_memory_of_the_main_model():
  """Nothing of the size of latents by pixels exists; inputs exist once."""
  model = perceiver.create("optical_flow")
  compiled = (
    jax.jit(model.apply)
    .lower(model.shapes(), *model.config.example())
    .compile()
  )
  memory = compiled.memory_analysis()
  assert memory.temp_size_in_bytes < 1.0e9


# ------------------------------------------------------------------------ laws

SIZE = (9, 12)
VARIANTS = {
  "patches": {},
  "pixels_separate": {
    "features": flow.Neighbourhoods(size=1, num_channels=6),
    "concatenate_frames": False,
  },
  "strided": {"features": flow.Neighbourhoods(stride=2, num_channels=6)},
  "conv": {"features": image.ConvPool(num_channels=6)},
  "conv_separate": {
    "features": image.ConvPool(num_channels=6),
    "concatenate_frames": False,
  },
}
FRAMES = np.random.default_rng(0).uniform(-1, 1, (2, 2, *SIZE, 3))
FRAMES = FRAMES.astype(np.float32)


def small(**changes) -> perceiver.Model:
  """Returns a model of 9 by 12 pixels and 5 latents of 8 channels."""
  settings = {
    "size": SIZE,
    "features": flow.Neighbourhoods(num_channels=6),
    "num_bands": 2,
    "num_latents": 5,
    "latent_channels": 8,
    "num_layers": 1,
    "num_heads": 2,
  }
  return perceiver.create(optical_flow.optical_flow(**{**settings, **changes}))


def make(name):
  """Returns a model and its parameters, none of them zero."""
  model = small(**VARIANTS[name])
  return model, noise.variables(model)


@pytest.fixture(scope="module", params=VARIANTS)
def filled(request):
  return make(request.param)


@pytest.fixture(scope="module", params=["patches", "pixels_separate"])
def by_pixel(request):
  return make(request.param)


def assert_close(found, expected):
  np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_flow_starts_at_zero(filled):
  model, _ = filled
  found = model.apply(model.init(jax.random.key(0)), FRAMES)
  np.testing.assert_array_equal(found, np.zeros((2, *SIZE, 2), np.float32))


def test_encode_once_then_decode(filled):
  model, variables = filled
  expected = model.apply(variables, FRAMES)
  assert expected.shape == (2, *SIZE, 2)
  assert np.abs(expected).max() > 1e-3
  latents = model.encode(variables, FRAMES)
  assert latents.shape == (2, 5, 8)
  assert_close(model.decode(variables, latents, FRAMES), expected)


def test_some_points_as_in_the_full_decode(by_pixel):
  model, variables = by_pixel
  full = model.apply(variables, FRAMES).reshape(2, -1, 2)
  points = np.array([13, 0, 107, 13])
  assert_close(
    model.apply(variables, FRAMES, output_points=points), full[:, points]
  )
  latents = model.encode(variables, FRAMES)
  some = model.decode(variables, latents, FRAMES, output_points=points)
  assert_close(some, full[:, points])


def test_fewer_points_are_less_work():
  model = small()

  def count(points):
    run = lambda v, frames: model.apply(v, frames, output_points=points)
    return flops.count(run, model.shapes(), FRAMES)

  assert count(np.arange(3)) < count(None)


def test_points_outside_the_frame_are_not_overlooked(by_pixel):
  model, variables = by_pixel
  points = np.array([-1, 5, 108])
  found = np.asarray(model.apply(variables, FRAMES, output_points=points))
  assert np.isnan(found[:, [0, 2]]).all()
  assert np.isfinite(found[:, 1]).all()


def test_queries_are_of_the_first_frame(by_pixel):
  """With the latents fixed, the flow at a pixel depends on its surroundings."""
  model, variables = by_pixel
  latents = model.encode(variables, FRAMES)
  flows = []
  for frame in (0, 1):
    changed = FRAMES.copy()
    changed[:, frame, 4, 5] += 0.5
    flows.append(model.decode(variables, latents, changed))
  before = model.decode(variables, latents, FRAMES)
  moved = [
    np.argwhere(np.abs(after - before)[0, ..., 0] > 0) for after in flows
  ]
  separate = not model.config.frames.concatenate_frames
  reach = model.config.frames.features.size // 2
  assert np.abs(moved[0] - [4, 5]).max() == reach
  assert len(moved[1]) == (0 if separate else (2 * reach + 1) ** 2)


def test_pairs_do_not_see_one_another(filled):
  model, variables = filled
  assert_close(
    model.apply(variables, FRAMES[1:]), model.apply(variables, FRAMES)[1:]
  )


def test_the_second_frame_matters(filled):
  model, variables = filled
  reversed_ = model.apply(variables, FRAMES[:, ::-1])
  assert np.abs(reversed_ - model.apply(variables, FRAMES)).max() > 1e-4


def test_attention_map(filled):
  model, variables = filled
  attention = model.attention_map(variables, FRAMES)
  assert attention.shape == (2, 1, 5, model.config.frames.num_inputs)
  assert_close(attention.sum(-1), np.ones((2, 1, 5)))


def test_unit_of_the_output():
  model, variables = make("patches")
  doubled = dataclasses.replace(model.config, pixels_per_unit=0.4)
  assert_close(
    perceiver.create(doubled).apply(variables, FRAMES),
    2 * model.apply(variables, FRAMES),
  )
  assert model.config.pixels_per_unit == 0.2


def test_what_the_upsampling_adds_is_cut_off(monkeypatch):
  """Three coarse rows make twelve fine ones, of which the frames have nine."""
  places = np.stack(np.indices((12, 12)), axis=-1).astype(np.float32)
  upsample = lambda x, *_: jnp.broadcast_to(places, (len(x), *places.shape))
  monkeypatch.setattr(flow, "convex_upsample", upsample)
  model, variables = make("conv")
  # Another unit, so that this is no program compiled before.
  plain = dataclasses.replace(model.config, pixels_per_unit=1.0)
  found = perceiver.create(plain).apply(variables, FRAMES)
  np.testing.assert_array_equal(found[1], places[:9])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_scale_of_outputs_starts_elsewhere(name):
  """Upsampled or not, the flow is not zero then."""
  model = small(**VARIANTS[name], output_init_scale=1.0)
  found = model.apply(model.init(jax.random.key(0)), FRAMES)
  assert np.abs(np.asarray(found)).mean() > 0.01


def test_batch_statistics_change_once_per_training_step():
  model, variables = make("conv")
  _, state = model.apply_and_update(variables, FRAMES, is_training=True)
  counters = [x for x in jax.tree.leaves(state) if x.dtype == jnp.int32]
  before = [x for x in jax.tree.leaves(variables.state) if x.dtype == jnp.int32]
  assert [int(x) for x in counters] == [int(x) + 1 for x in before]
  _, state = model.apply_and_update(variables, FRAMES)
  jax.tree.map(np.testing.assert_array_equal, state, variables.state)


def test_gradients_reach_every_parameter(filled):
  model, variables = filled

  def loss(params):
    found = model.apply(variables._replace(params=params), FRAMES)
    return jnp.sum(found**2)

  gradients = jax.jit(jax.grad(loss))(variables.params)
  for module, entries in gradients.items():
    if not module.endswith("attention/key"):  # its bias cancels
      assert all(np.abs(x).max() > 0 for x in entries.values()), module


@pytest.mark.parametrize(
  ("frames", "error", "message"),
  [
    (FRAMES[:, 0], ValueError, r"\[batch, 2, 9, 12, 3\]"),
    (FRAMES[:, :, 1:], ValueError, r"\(2, 2, 8, 12, 3\)"),
    (FRAMES.astype(np.uint8), TypeError, "uint8"),
  ],
)
def test_bad_frames(frames, error, message):
  model, variables = make("patches")
  with pytest.raises(error, match=message):
    model.apply(variables, frames)


def test_bad_points():
  model, variables = make("patches")
  for points in (np.zeros((2, 3), np.int32), np.zeros((3,), np.float32)):
    with pytest.raises(ValueError, match=r"expected \[points\] integers"):
      model.apply(variables, FRAMES, output_points=points)
  model, variables = make("conv")
  with pytest.raises(ValueError, match="upsampled"):
    model.apply(variables, FRAMES, output_points=np.arange(3))


@pytest.mark.parametrize(
  ("part", "changes", "message"),
  [
    ("encoder", {"input_channels": 7}, "expected 16"),
    ("decoder", {"query_channels": 7}, "query_channels is 7; expected 16"),
    ("decoder", {"output_channels": 3}, "output_channels is 3; expected 2"),
  ],
)
def test_bad_configs(part, changes, message):
  config = small().config
  broken = dataclasses.replace(getattr(config.perceiver, part), **changes)
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(
      config, perceiver=dataclasses.replace(config.perceiver, **{part: broken})
    )


def test_a_scale_of_what_is_not_upsampled_is_refused():
  with pytest.raises(ValueError, match="upsampled_init_scale is 1"):
    dataclasses.replace(small().config, upsampled_init_scale=1.0)


def test_a_mean_decoder_is_refused():
  config = small().config
  mean = decoder.MeanDecoderConfig(output_channels=2)
  with pytest.raises(ValueError, match="expected one with queries"):
    dataclasses.replace(
      config, perceiver=dataclasses.replace(config.perceiver, decoder=mean)
    )


def test_config_as_json():
  config = optical_flow.CONFIGS["optical_flow_conv_separate"]
  written = config_json.to_json(config)
  assert config_json.from_json(written, registry.ModelConfig) == config
