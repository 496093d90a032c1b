"""Sizes of every published image classifier (2103.03206, 2107.14795)."""

import re

import jax
import pytest

import perceiver
from perceiver import flops
from perceiver.models import imagenet

# Name: (parameters, GFLOPs by the papers' own count at batch 1). The numbers
# come from counting the released code; the papers round them or, in a few
# rows, contradict themselves. Those without a published number are ours.
TABLE = {
  "imagenet_fourier": (48_440_627, 406.12),
  "imagenet_learned": (62_255_848, 478.04),
  "imagenet_conv": (48_646_522, 369.36),
  "imagenet_large_fourier": (212_170_035, 268.69),
  "imagenet_large_projected": (213_082_618, 334.64),
  "imagenet_large_conv": (212_375_930, 231.93),
  "imagenet_large_fourier_pretraining": (229_595_035, 268.72),
  "imagenet_large_projected_pretraining": (230_507_618, 334.68),
  "imagenet_large_conv_pretraining": (229_800_930, 231.96),
  "perceiver_imagenet": (44_912_254, 706.28),
  "perceiver_imagenet_1_cross_attend": (42_135_859, 403.97),
  "perceiver_imagenet_2_cross_attends": (44_912_254, 447.15),
  "perceiver_imagenet_4_cross_attends": (44_912_254, 533.53),
  "perceiver_imagenet_2_cross_attends_at_start": (44_912_254, 447.15),
  "perceiver_imagenet_4_cross_attends_at_start": (44_912_254, 533.53),
  "perceiver_imagenet_8_cross_attends_at_start": (44_912_254, 706.28),
  "perceiver_imagenet_unshared": (326_241_856, 706.28),
  "perceiver_imagenet_4_cross_attends_only": (12_654_868, 172.75),
  "perceiver_imagenet_8_cross_attends_only": (23_760_448, 345.50),
  "perceiver_imagenet_12_cross_attends_only": (34_866_028, 518.25),
  "perceiver_imagenet_sweep_base": (15_264_382, 99.8),
  "perceiver_imagenet_learned": (48_189_577, 380.11),
  "perceiver_imagenet_1_cross_attend_learned": (55_951_080, 475.88),
  "perceiver_imagenet_1_cross_attend_conv": (42_341_754, 367.21),
}


def test_table_is_complete():
  assert set(TABLE) == set(imagenet.CONFIGS)
  assert set(TABLE) <= set(perceiver.list_models())


@pytest.mark.parametrize("name", TABLE)
def test_parameters_and_operations(name):
  parameters, gflops = TABLE[name]
  model = perceiver.create(name)
  assert model.num_parameters() == parameters
  assert model.num_flops(reference=True) / 1e9 == pytest.approx(
    gflops, rel=5e-3
  )
  assert model.num_flops() < model.num_flops(reference=True)


def test_each_read_of_the_inputs_costs_the_same():
  counts = [
    perceiver.create(f"perceiver_imagenet_{reads}").num_flops(reference=True)
    for reads in ("1_cross_attend", "2_cross_attends", "4_cross_attends")
  ]
  assert (counts[2] - counts[1]) == 2 * (counts[1] - counts[0])
  assert (counts[1] - counts[0]) / 1e9 == pytest.approx(43.19, abs=0.01)


@pytest.fixture(scope="module")
def compiled_fourier():
  """The full-size Fourier model, compiled forward and backward at batch 1."""
  model = perceiver.create("imagenet_fourier")
  params, state = model.shapes()
  (images,) = model.config.example()

  def objective(params, images):
    logits = model.apply(perceiver.Variables(params, state), images)
    return logits.sum()

  return {
    "forward": jax.jit(objective).lower(params, images).compile(),
    "backward": jax.jit(jax.grad(objective)).lower(params, images).compile(),
  }


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_no_array_as_large_as_latents_by_inputs(compiled_fourier, direction):
  config = imagenet.FOURIER
  limit = config.inputs.num_inputs * config.perceiver.encoder.num_latents
  text = compiled_fourier[direction].as_text()
  shapes = set(re.findall(r"\b(?:f|bf|s|u|pred)\d*\[([\d,]+)\]", text))
  sizes = dict.fromkeys(shapes, 1)
  for shape in shapes:
    for n in shape.split(","):
      sizes[shape] *= int(n)
  assert "1,224,224,3" in sizes  # the program was read
  largest = max(sizes, key=sizes.__getitem__)
  assert sizes[largest] < limit, largest


def test_memory_of_the_backward_pass(compiled_fourier):
  memory = compiled_fourier["backward"].memory_analysis()
  assert memory.temp_size_in_bytes < 600e6


def test_operation_count_reads_loops_and_convolutions():
  def function(x, kernel):
    x = jax.lax.scan(lambda c, _: (c @ c, None), x, length=3)[0]
    image = jax.lax.conv(x[None, None], kernel, (1, 1), "SAME")
    return image

  x = jax.ShapeDtypeStruct((8, 8), "float32")
  kernel = jax.ShapeDtypeStruct((2, 1, 3, 3), "float32")
  expected = 3 * 2 * 8**3 + 2 * (8 * 8 * 2) * 9
  assert flops.count(function, x, kernel) == expected


def test_operation_count_refuses_open_loops():
  loop = lambda x: jax.lax.while_loop(lambda c: c < 3, lambda c: c + 1, x)
  with pytest.raises(ValueError, match="fixed length"):
    flops.count(loop, jax.ShapeDtypeStruct((), "float32"))
