"""Sizes and laws of the language models (2107.14795 tables 1, 11, 15)."""

import dataclasses

import numpy as np
import pytest

import perceiver
from perceiver import blocks
from perceiver import config_json
from perceiver import decoder
from perceiver import encoder
from perceiver import flops
from perceiver import network
from perceiver import processor
from perceiver.adapters import text
from perceiver.models import language
from perceiver.models import registry
from tests.helpers import noise

# Name: (parameters, GFLOPs at batch 1 and full length), counted from the
# released code. The paper's own operation counts are lower for all but the
# large model.
TABLE = {
  "language_bytes": (201_108_230, 120.95),
  "language_sentencepiece": (223_155_456, 133.6),
  "language_bytes_large": (425_607_430, 240.87),
  "language_bytes_128_latents": (430_132_230, 127.4),
  "language_bytes_512_latents": (105_849_862, 134.1),
}


def test_table_is_complete():
  assert set(TABLE) == set(language.CONFIGS)
  assert set(TABLE) <= set(perceiver.list_models())


@pytest.mark.parametrize("name", TABLE)
def test_parameters_and_operations(name):
  parameters, gflops = TABLE[name]
  model = perceiver.create(name)
  assert model.num_parameters() == parameters
  assert model.num_flops(reference=True) / 1e9 == pytest.approx(
    gflops, rel=1e-3
  )
  assert model.num_flops() <= model.num_flops(reference=True)


def test_parameters_by_hand():
  """The closed form, for the ablations whose count nobody published."""
  linear = lambda a, b: a * b + b
  qkv = lambda q, kv, v: linear(q, 256) + linear(kv, 256) + linear(kv, v)
  for latents, width in ((128, 1920), (256, 1280), (512, 896)):
    read = qkv(width, 768, width) + 3 * linear(width, width)
    layer = qkv(width, width, width) + 3 * linear(width, width)
    answer = qkv(768, width, 768) + 3 * linear(768, 768)
    norms = (2 * (2 * width) + 2 * 768) + 26 * 4 * width
    norms += 2 * (2 * 768) + 2 * width
    tables = (262 + 2048 + 2048) * 768 + 262 + latents * width
    expected = read + 26 * layer + answer + norms + tables
    name = "language_bytes" + (f"_{latents}_latents" * (latents != 256))
    assert TABLE[name][0] == expected


def test_cost_is_affine_in_the_length():
  def gflops(length):
    config = dataclasses.replace(
      language.BYTES,
      text=dataclasses.replace(language.BYTES.text, max_length=length),
    )
    return perceiver.create(config).num_flops(reference=True) / 1e9

  lengths = (512, 1024, 2048, 4096, 8192)
  expected = (108.65, 112.75, 120.95, 137.34, 170.13)
  assert [gflops(n) for n in lengths] == pytest.approx(expected, rel=1e-3)


# ------------------------------------------------------------------------ laws


def small_config(**changes) -> language.LanguageModelConfig:
  """Returns a model of 11 tokens, 8 channels, and texts up to length 12."""
  sizes = {"num_heads": 2, "qk_channels": 4}
  return language.LanguageModelConfig(
    text=text.TextInputConfig(vocab_size=11, max_length=12, channels=8),
    perceiver=network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=8,
        num_latents=5,
        latent_channels=6,
        cross_attention=blocks.CrossAttentionConfig(**sizes),
      ),
      processor=processor.ProcessorConfig(
        channels=6,
        num_self_attends_per_block=2,
        self_attention=blocks.SelfAttentionConfig(**sizes),
      ),
      decoder=decoder.DecoderConfig(
        query_channels=8,
        output_channels=None,
        cross_attention=blocks.CrossAttentionConfig(
          query_residual=False, **sizes
        ),
      ),
    ),
    **changes,
  )


MODEL = perceiver.create(small_config())
IDS = np.random.default_rng(0).integers(0, 11, (3, 12), dtype=np.int32)
MASK = np.arange(12) < np.array([[7], [12], [9]])


@pytest.fixture(scope="module")
def variables():
  """Parameters none of which is zero."""
  return noise.variables(MODEL)


def assert_close(found, expected):
  np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_logits_are_float32_for_every_token(variables):
  logits = MODEL.apply(variables, IDS)
  assert logits.shape == (3, 12, 11)
  assert logits.dtype == np.float32


def test_masked_tokens_change_nothing(variables):
  other = np.where(MASK, IDS, (IDS + 3) % 11)
  logits = [MODEL.apply(variables, x, input_mask=MASK) for x in (IDS, other)]
  np.testing.assert_array_equal(*logits)
  unmasked = MODEL.apply(variables, IDS)
  assert np.abs(unmasked - logits[0])[0].max() > 1e-3


def test_shorter_texts_are_as_masked_ones(variables):
  masked = MODEL.apply(
    variables, IDS, input_mask=np.broadcast_to(np.arange(12) < 7, (3, 12))
  )
  assert_close(MODEL.apply(variables, IDS[:, :7]), masked[:, :7])


def test_masked_queries_do_not_look_at_the_text(variables):
  logits = MODEL.apply(variables, IDS, input_mask=MASK)
  assert_close(logits[0, 9], logits[0, 11])
  assert np.abs(logits[0, 3] - logits[0, 5]).max() > 1e-3


def test_a_text_of_padding_alone_is_finite(variables):
  logits = MODEL.apply(variables, IDS, input_mask=np.zeros((3, 12), bool))
  assert np.isfinite(logits).all()


@pytest.mark.parametrize("mask", [None, MASK])
def test_some_positions_as_in_the_full_decode(variables, mask):
  full = np.asarray(MODEL.apply(variables, IDS, input_mask=mask))
  shared = np.array([4, 0, 11])
  some = MODEL.apply(variables, IDS, input_mask=mask, positions=shared)
  assert_close(some, full[:, shared])
  each = np.array([[1, 8], [11, 2], [5, 5]])
  some = MODEL.apply(variables, IDS, input_mask=mask, positions=each)
  assert_close(some, np.take_along_axis(full, each[..., None], axis=1))


def test_fewer_positions_are_less_work():
  def num_flops(positions):
    run = lambda v, ids: MODEL.apply(v, ids, positions=positions)
    return flops.count(run, MODEL.shapes(), IDS)

  assert num_flops(np.arange(2)) < num_flops(None)


def test_encode_once_decode_parts(variables):
  logits = MODEL.apply(variables, IDS, input_mask=MASK)
  latents = MODEL.encode(variables, IDS, input_mask=MASK)
  assert latents.shape == (3, 5, 6)
  assert_close(MODEL.decode(variables, latents, query_mask=MASK), logits)
  part = MODEL.decode(variables, latents, np.arange(4))
  assert_close(part, logits[:, :4])


def test_texts_do_not_see_one_another(variables):
  alone = MODEL.apply(variables, IDS[1:2], input_mask=MASK[1:2])
  assert_close(alone, MODEL.apply(variables, IDS, input_mask=MASK)[1:2])


def test_tokens_have_places(variables):
  swapped = IDS[:, ::-1]
  logits = MODEL.apply(variables, IDS)
  assert np.abs(MODEL.apply(variables, swapped) - logits).max() > 1e-3


def test_logits_are_tied_to_the_embeddings(variables):
  """Exchanging two tokens everywhere exchanges their logits."""
  exchange = np.array([0, 5, 2, 3, 4, 1, 6, 7, 8, 9, 10])
  params = {m: dict(e) for m, e in variables.params.items()}
  for module, name in (
    ("language_model/text_input/token_embedding", "embeddings"),
    ("language_model/logits", "b"),
  ):
    params[module][name] = params[module][name][exchange]
  exchanged = MODEL.apply(variables._replace(params=params), exchange[IDS])
  assert_close(exchanged, MODEL.apply(variables, IDS)[..., exchange])


def test_attention_map(variables):
  attention = MODEL.attention_map(variables, IDS, input_mask=MASK)
  assert attention.shape == (3, 2, 5, 12)
  assert_close(attention.sum(-1), np.ones((3, 2, 5)))
  assert not np.asarray(attention)[0, ..., 7:].any()


def test_an_id_out_of_range_is_not_overlooked(variables):
  for wrong in (-1, 11):
    ids = IDS.copy()
    ids[1, 4] = wrong
    logits = np.asarray(MODEL.apply(variables, ids))
    assert np.isnan(logits[1]).all()
    assert np.isfinite(logits[[0, 2]]).all()


@pytest.mark.parametrize(
  ("arguments", "error", "message"),
  [
    ({"ids": np.zeros((1, 13), np.int32)}, ValueError, "length from 1 to 12"),
    ({"ids": np.zeros((12,), np.int32)}, ValueError, r"\(12,\)"),
    ({"ids": np.zeros((1, 0), np.int32)}, ValueError, "length from 1 to 12"),
    ({"ids": np.zeros((1, 12), np.float32)}, TypeError, "float32"),
    ({"input_mask": np.ones((3, 12), np.int32)}, TypeError, "expected bool"),
    ({"input_mask": np.ones((3, 11), bool)}, ValueError, r"\[3, 12\]"),
    (
      {"positions": np.zeros((2, 4), np.int32)},
      ValueError,
      r"\[3, positions\]",
    ),
    ({"positions": np.zeros((2,), np.float32)}, TypeError, "integers"),
  ],
)
def test_bad_input(variables, arguments, error, message):
  ids = arguments.pop("ids", IDS)
  with pytest.raises(error, match=message):
    MODEL.apply(variables, ids, **arguments)


@pytest.mark.parametrize(
  ("part", "changes", "message"),
  [
    ("encoder", {"input_channels": 7}, "expected 8, the channels of the"),
    ("decoder", {"query_channels": 7}, "query_channels is 7; expected 8"),
    (
      "decoder",
      {"output_channels": 11},
      "output_channels is 11; expected None",
    ),
  ],
)
def test_bad_configs(part, changes, message):
  config = small_config()
  broken = dataclasses.replace(getattr(config.perceiver, part), **changes)
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(
      config, perceiver=dataclasses.replace(config.perceiver, **{part: broken})
    )


def test_a_mean_decoder_is_refused():
  config = small_config()
  mean = decoder.MeanDecoderConfig(output_channels=8)
  with pytest.raises(ValueError, match="expected one with queries"):
    dataclasses.replace(
      config, perceiver=dataclasses.replace(config.perceiver, decoder=mean)
    )


def test_config_as_json():
  written = config_json.to_json(language.BYTES)
  assert config_json.from_json(written, registry.ModelConfig) == language.BYTES
