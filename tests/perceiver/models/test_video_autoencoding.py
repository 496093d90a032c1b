"""Sizes and laws of the video autoencoder (2107.14795 §4.3, appendix I)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import decoder
from perceiver import flops
from perceiver import multimodal_decoder
from perceiver.models import video_autoencoding
from tests.helpers import tiny_video

# Parameters, and GFLOPs of encoding and decoding everything at batch 1.
TABLE = {
  "video_autoencoding": (19_858_855, 7472.1),
  "video_autoencoding_392": (19_658_151, 6748.9),
  "video_autoencoding_196": (19_557_799, 6389.2),
}


@pytest.fixture(scope="module")
def model():
  return perceiver.create(tiny_video.config())


@pytest.fixture(scope="module")
def variables(model):
  return model.init(jax.random.key(0))


@pytest.fixture(scope="module")
def inputs():
  return tiny_video.inputs()


@pytest.fixture(scope="module")
def whole(model, variables, inputs):
  return model.apply(variables, inputs)


def assert_same(found, expected, atol=1e-5):
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=atol), found, expected
  )


def test_table_is_complete():
  assert set(TABLE) == set(video_autoencoding.CONFIGS)
  assert set(TABLE) <= set(perceiver.list_models())


@pytest.mark.parametrize("name", TABLE)
def test_parameters_and_operations(name):
  parameters, gflops = TABLE[name]
  model = perceiver.create(name)
  assert model.num_parameters() == parameters
  assert model.num_flops(reference=True) / 1e9 == pytest.approx(
    gflops, rel=1e-4
  )
  assert model.num_flops() < model.num_flops(reference=True)


def test_shapes_of_the_paper():
  released = video_autoencoding.CONFIGS["video_autoencoding"]
  config = released.inputs
  assert config.num_inputs == 50_176 + 1_920 + 1
  assert config.input_channels == 704
  assert released.outputs.query_channels == 1026
  points = [x.num_points for x in released.outputs.outputs]
  assert sum(points) == 804_737


def test_operations_grow_by_a_constant_per_query():
  model = perceiver.Model(
    video_autoencoding.CONFIGS["video_autoencoding"], reference=True
  )
  shapes, (inputs,) = model.shapes(), model.config.example()

  def gflops(image, audio):
    points = {
      name: jax.ShapeDtypeStruct((n,), jnp.int32)
      for name, n in (("image", image), ("audio", audio))
    }
    run = lambda v, x, p: model.apply(v, x, output_points=p)
    return flops.count(run, shapes, inputs, points) / 1e9

  # 260.1 if the keys and values of the latents count once, here once for each
  # modality; the compiler makes them only once.
  again = 2 * (2 * 2 * 784 * 512**2) / 1e9
  assert gflops(512, 512) - again == pytest.approx(260.1, rel=1e-3)
  # 8.97 MFLOPs for a query with the pixel's own linear map.
  assert (gflops(1536, 512) - gflops(512, 512)) / 1024 == pytest.approx(
    8.97e-3, rel=2e-3
  )


def test_decoding_everything_keeps_little_in_memory():
  model = perceiver.create("video_autoencoding")
  latents = jax.ShapeDtypeStruct((1, 784, 512), jnp.float32)
  compiled = jax.jit(model.decode).lower(model.shapes(), latents).compile()
  # All queries at once would be 3.3 GB, all results before their maps 1.6 GB.
  assert compiled.memory_analysis().temp_size_in_bytes < 600e6


def test_shapes_of_everything(whole):
  shapes = {name: x.shape for name, x in whole.items()}
  assert shapes == {"image": (2, 512, 3), "audio": (2, 128), "label": (2, 9)}


def test_some_points_equal_those_of_everything(model, variables, inputs, whole):
  image, audio = jnp.array([511, 0, 40, 40]), jnp.array([15, 3])
  found = model.apply(
    variables, inputs, output_points={"image": image, "audio": audio}
  )
  pieces = whole["audio"].reshape(2, 16, 8)[:, audio].reshape(2, -1)
  expected = {
    "image": whole["image"][:, image],
    "audio": pieces,
    "label": whole["label"],
  }
  assert_same(found, expected)


def test_encode_once_decode_piece_by_piece(model, variables, inputs, whole):
  latents = model.encode(variables, inputs)
  none = jnp.zeros(0, jnp.int32)
  pieces = [
    model.decode(
      variables,
      latents,
      {"image": jnp.arange(i, i + 128), "audio": none},
    )
    for i in range(0, 512, 128)
  ]
  image = np.concatenate([piece["image"] for piece in pieces], axis=1)
  assert_same(image, whole["image"])
  assert pieces[0]["audio"].shape == (2, 0)
  assert_same(pieces[0]["label"], whole["label"])


def test_blocks_of_queries_change_nothing(
  monkeypatch, variables, inputs, whole
):
  monkeypatch.setattr(multimodal_decoder, "_BLOCK_QUERIES", 100)
  config = tiny_video.config()
  # A rate that evaluation ignores, so that the program is made anew.
  processor = config.perceiver.processor
  dropping = dataclasses.replace(processor.self_attention, dropout_rate=0.1)
  processor = dataclasses.replace(processor, self_attention=dropping)
  network = dataclasses.replace(config.perceiver, processor=processor)
  model = perceiver.create(dataclasses.replace(config, perceiver=network))
  assert_same(model.apply(variables, inputs), whole)


def test_label_is_ignored_in_evaluation(model, variables, inputs, whole):
  for label in (jnp.zeros((2, 9)), jnp.eye(9)[jnp.array([3, 5])]):
    assert_same(model.apply(variables, {**inputs, "label": label}), whole)


def test_half_of_the_labels_are_seen_in_training(model, variables, inputs):
  label = jnp.eye(9)[jnp.array([3, 5])]
  hidden = model.apply(variables, inputs, is_training=True)
  seen = []
  for seed in range(16):
    found = model.apply(
      variables,
      {**inputs, "label": label},
      rng=jax.random.key(seed),
      is_training=True,
    )
    difference = jnp.abs(found["label"] - hidden["label"]).max(axis=-1)
    seen += [bool(x > 1e-6) for x in difference]
  assert 8 <= sum(seen) <= 24  # of 32, with probability 0.995
  assert any(a != b for a, b in zip(seen[::2], seen[1::2]))  # each for itself


def test_examples_are_independent(model, variables, inputs, whole):
  alone = model.apply(variables, {k: x[1:] for k, x in inputs.items()})
  assert_same(alone, {k: x[1:] for k, x in whole.items()})


def test_modalities_have_no_order(model, variables, inputs, whole):
  config = model.config
  turned = dataclasses.replace(
    config,
    inputs=dataclasses.replace(
      config.inputs, modalities=config.inputs.modalities[::-1]
    ),
  )
  found = perceiver.create(turned).apply(variables, inputs)
  assert_same(found, whole)


def test_attention_map_covers_all_inputs(model, variables, inputs):
  found = model.attention_map(variables, inputs)
  assert found.shape == (2, 1, 6, 16 + 2 * 16 + 1)
  np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)


def test_bad_inputs_are_refused(model, variables, inputs):
  with pytest.raises(ValueError, match=r"Multimodal input.*\['image'\]"):
    model.apply(variables, {"image": inputs["image"]})
  with pytest.raises(ValueError, match=r"'sound'"):
    model.apply(variables, {**inputs, "sound": inputs["audio"]})
  with pytest.raises(ValueError, match=r"batch sizes"):
    model.apply(variables, {**inputs, "audio": inputs["audio"][:1]})
  with pytest.raises(ValueError, match=r"\[batch, 2, 16, 16, 3\]"):
    model.apply(variables, {**inputs, "image": inputs["image"][:, :1]})
  integers = inputs["image"].astype(np.uint8)
  with pytest.raises(TypeError, match="floating"):
    model.apply(variables, {**inputs, "image": integers})
  points = {"label_": jnp.arange(1)}
  with pytest.raises(ValueError, match="'label_'"):
    model.apply(variables, inputs, output_points=points)
  with pytest.raises(TypeError, match="integers"):
    model.apply(variables, inputs, output_points={"audio": jnp.zeros(2)})


def test_configs_that_do_not_fit_are_refused():
  config = tiny_video.config()
  network = config.perceiver
  with pytest.raises(ValueError, match="input_channels is 74; expected 73"):
    dataclasses.replace(
      config,
      perceiver=dataclasses.replace(
        network,
        encoder=dataclasses.replace(network.encoder, input_channels=74),
      ),
    )
  with pytest.raises(ValueError, match="query_channels is 25; expected 26"):
    dataclasses.replace(
      config,
      perceiver=dataclasses.replace(
        network,
        decoder=dataclasses.replace(network.decoder, query_channels=25),
      ),
    )
  with pytest.raises(ValueError, match="expected one with queries"):
    dataclasses.replace(
      config,
      perceiver=dataclasses.replace(
        network, decoder=decoder.MeanDecoderConfig(output_channels=3)
      ),
    )
