"""Sizes and laws of the AudioSet classifiers (2103.03206, 2107.14795)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import audio
from perceiver.adapters import multimodal
from perceiver.adapters import video
from perceiver.models import audioset
from tests.helpers import tiny_networks

# Name: (parameters of the network, those of the modalities' codes, GFLOPs at
# batch 1). The published counts, where there are any, are of the network alone:
# a code is 4 channels for video, and for audio as wide as it takes.
TABLE = {
  "audioset_raw": (24_922_228, 4 + 326, 52.71),
  "audioset_mel": (86_568_052, 4 + 420, 129.27),
  "perceiver_audioset_1_cross_attend_raw": (20_971_636, 4 + 326, 52.16),
  "perceiver_audioset_1_cross_attend_mel": (20_971_636, 4 + 420, 60.57),
  "perceiver_audioset_raw": (109_048_537, 4 + 326, 177.29),
  "perceiver_audioset_mel": (109_048_537, 4 + 420, 194.10),
  "perceiver_audioset_video_alone": (109_016_593, 0, 174.81),
  "perceiver_audioset_raw_alone": (106_864_989, 0, 125.65),
  "perceiver_audioset_mel_alone": (106_393_297, 0, 126.33),
  "perceiver_audioset_fine": (107_075_737, 4 + 165, 251.73),
}


def tiny_config(
  decoding: decoder.DecoderConfig | decoder.MeanDecoderConfig,
) -> audioset.MultimodalClassifierConfig:
  """Returns a classifier of 4 frames of 8×8 pixels and 24 samples."""
  fourier = position_encoding.Fourier
  inputs = multimodal.MultimodalInputConfig(
    modalities=(
      multimodal.ModalityConfig(
        name="video",
        input=video.VideoInputConfig(
          num_frames=4,
          size=(8, 8),
          patch=(2, 4, 4),
          positions=fourier(num_bands=2, max_resolution=(2, 2, 2)),
        ),
      ),
      multimodal.ModalityConfig(
        name="audio",
        input=audio.AudioInputConfig(
          num_samples=24,
          patch_size=4,
          positions=fourier(num_bands=2, max_resolution=(6,)),
        ),
      ),
    )
  )
  return audioset.MultimodalClassifierConfig(
    inputs=inputs,
    perceiver=tiny_networks.network_config(
      inputs.input_channels, decoding, num_latents=5, num_layers=2
    ),
  )


DECODERS = {
  "query": decoder.DecoderConfig(query_channels=6, output_channels=3),
  "mean": decoder.MeanDecoderConfig(output_channels=3, output_init_scale=1.0),
}


@pytest.fixture(scope="module")
def inputs():
  shapes = {"video": (3, 4, 8, 8, 3), "audio": (3, 24, 1)}
  return {
    name: jax.random.normal(jax.random.key(i), shape)
    for i, (name, shape) in enumerate(shapes.items())
  }


@pytest.fixture(scope="module", params=DECODERS)
def model(request):
  return perceiver.create(tiny_config(DECODERS[request.param]))


@pytest.fixture(scope="module")
def variables(model):
  return model.init(jax.random.key(0))


def test_table_is_complete():
  assert set(TABLE) == set(audioset.CONFIGS)
  assert set(TABLE) <= set(perceiver.list_models())


@pytest.mark.parametrize("name", TABLE)
def test_parameters_and_operations(name):
  parameters, codes, gflops = TABLE[name]
  model = perceiver.create(name)
  assert model.num_parameters() - codes == parameters
  found = sum(
    array["embeddings"].size
    for module, array in model.shapes().params.items()
    if module.endswith("_padding")
  )
  assert found == codes
  assert model.num_flops(reference=True) / 1e9 == pytest.approx(
    gflops, rel=1e-4
  )
  assert model.num_flops() <= 1.001 * model.num_flops(reference=True)


def test_shapes_of_the_paper():
  raw, mel = (audioset.CONFIGS[f"audioset_{x}"].inputs for x in ("raw", "mel"))
  assert (raw.num_inputs, raw.input_channels) == (13_024, 487)
  assert (mel.num_inputs, mel.input_channels) == (17_344, 487)
  fine = audioset.CONFIGS["perceiver_audioset_fine"].inputs
  assert fine.num_inputs == 50_176 + 61_440


def test_logits(model, variables, inputs):
  logits = model.apply(variables, inputs)
  assert logits.shape == (3, 3)
  assert logits.dtype == jnp.float32
  latents = model.encode(variables, inputs)
  np.testing.assert_allclose(
    model.decode(variables, latents), logits, atol=1e-6
  )
  reference = perceiver.Model(model.config, reference=True)
  np.testing.assert_allclose(
    reference.apply(variables, inputs), logits, atol=1e-5
  )
  alone = model.apply(variables, {k: x[1:2] for k, x in inputs.items()})
  np.testing.assert_allclose(alone, logits[1:2], atol=1e-5)


def test_absent_modalities_change_nothing(model, variables, inputs):
  present = {"video": jnp.array([True, False, True])}
  other = {**inputs, "video": inputs["video"] + 1}
  found = model.apply(variables, inputs, mask=present)
  changed = model.apply(variables, other, mask=present)
  np.testing.assert_allclose(found[1], changed[1], atol=1e-6)
  assert np.abs(found[0] - changed[0]).max() > 1e-3
  whole = model.apply(variables, inputs)
  np.testing.assert_allclose(found[0], whole[0], atol=1e-5)
  assert np.abs(found[1] - whole[1]).max() > 1e-4
  nothing = {name: jnp.zeros(3, bool) for name in inputs}
  assert np.isfinite(model.apply(variables, inputs, mask=nothing)).all()


def test_attention_map_leaves_out_what_is_absent(model, variables, inputs):
  present = {"audio": jnp.array([True, False, True])}
  found = model.attention_map(variables, inputs, mask=present)
  assert found.shape == (3, 1, 5, 6 + 8)
  np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
  assert np.all(found[1, ..., :6] == 0)
  assert np.all(found[0, ..., :6] > 0)


def test_bad_inputs_are_refused(model, variables, inputs):
  with pytest.raises(ValueError, match=r"some of \['audio', 'video'\]"):
    model.apply(variables, inputs, mask={"vidio": jnp.ones(3, bool)})
  with pytest.raises(TypeError, match="Modality video"):
    model.apply(variables, inputs, mask={"video": jnp.ones(3)})
  with pytest.raises(ValueError, match=r"expected \['audio', 'video'\]"):
    model.apply(variables, {"audio": inputs["audio"]})
  config = model.config.perceiver
  narrow = dataclasses.replace(config.encoder, input_channels=7)
  with pytest.raises(ValueError, match="input_channels is 7; expected"):
    dataclasses.replace(
      model.config, perceiver=dataclasses.replace(config, encoder=narrow)
    )
