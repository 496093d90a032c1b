"""The tables of names of the released DeepMind checkpoints."""

import functools
from typing import Any

from perceiver import autoregressive
from perceiver import position_encoding
from perceiver.adapters import image
from perceiver.checkpoints.deepmind import names
from perceiver.models import imagenet
from perceiver.models import language
from perceiver.models import optical_flow
from perceiver.models import text_classifier
from perceiver.models import video_autoencoding

# Released names of the linear maps to the modalities.
_POSTPROCESSORS = {
  "audio": "audio_postprocessor",
  "image": "projection_postprocessor",
  "label": "classification_postprocessor",
}


def parameter_names(config: Any) -> names.Table:
  """Returns the places of a model's parameters in the released form.

  Raises:
    ValueError: if no model of this kind was released.
  """
  if isinstance(config, imagenet.ImageClassifierConfig):
    return _image_classifier(config)
  if isinstance(config, autoregressive.AutoregressiveConfig):
    if config.convolution_width > 1:
      raise ValueError(
        f"Checkpoint: convolution_width is {config.convolution_width}; the "
        "released form has models of width 1 only."
      )
    return _perceiver_ar(config)
  if isinstance(config, language.LanguageModelConfig):
    return _language_model(config)
  if isinstance(config, text_classifier.TextClassifierConfig):
    return _text_classifier(config)
  if isinstance(config, optical_flow.OpticalFlowConfig) and (
    not config.upsampled
  ):
    return _optical_flow(config)
  if isinstance(config, video_autoencoding.VideoAutoencoderConfig):
    return _video_autoencoder(config)
  raise ValueError(
    f"Checkpoint: no {type(config).__name__} was released by DeepMind."
  )


def state_names(config: Any) -> list[names.Entry]:
  """Returns the places of a model's state in the released form."""
  if not isinstance(config, imagenet.ImageClassifierConfig):
    return []
  if not isinstance(config.inputs.features, image.ConvPool):
    return []
  entries = []
  for statistic in ("mean_ema", "var_ema"):
    entries += names.single(
      f"classifier/image_input/batch_norm/~/{statistic}",
      f"image_preprocessor/~/conv2_d_downsample/~/batchnorm/~/{statistic}",
      {name: name for name in ("hidden", "average", "counter")},
    )
  return entries


def _image_classifier(
  config: imagenet.ImageClassifierConfig,
) -> list[names.Entry]:
  decoder = "classification_decoder/~/basic_decoder"
  table = names.perceiver(
    "classifier/perceiver",
    "perceiver_encoder",
    decoder,
    config.perceiver.processor.num_self_attends_per_block,
    output=True,
  )
  table += names.vectors(
    "classifier/queries", f"{decoder}/~/trainable_position_encoding"
  )
  return table + _image_input(config.inputs)


def _image_input(config: image.ImageInputConfig) -> list[names.Entry]:
  ours, theirs = "classifier/image_input", "image_preprocessor"
  table: list[names.Entry] = []
  if isinstance(config.features, image.Conv1x1):
    table += names.linear(
      f"{ours}/conv_1x1", f"{theirs}/~/conv2_d", unit_axes=2
    )
  if isinstance(config.features, image.ConvPool):
    downsample = f"{theirs}/~/conv2_d_downsample/~"
    table += names.single(f"{ours}/conv", f"{downsample}/conv", {"w": "w"})
    table += names.single(
      f"{ours}/batch_norm",
      f"{downsample}/batchnorm",
      {"scale": "scale", "offset": "offset"},
    )
  if isinstance(config.positions, position_encoding.Projected):
    inner = f"{theirs}/~_build_network_inputs"
    table += names.vectors(
      f"{ours}/learned_positions", f"{inner}/trainable_position_encoding"
    )
    table += names.linear(
      f"{ours}/position_projection",
      f"{inner}/position_encoding_projector/linear",
    )
  return table


def _text_input() -> list[names.Entry]:
  ours = "language_model/text_input"
  return [
    *names.single(
      f"{ours}/token_embedding", "embed", {"embeddings": "embeddings"}
    ),
    *names.vectors(f"{ours}/learned_positions", "trainable_position_encoding"),
  ]


def _text_classifier(
  config: text_classifier.TextClassifierConfig,
) -> list[names.Entry]:
  """Returns the table of a model that only `transformers` has.

  Its parts are called as those of the releases are.
  """
  ours, decoder = "language_model", "classification_decoder/~/basic_decoder"
  return [
    *_text_input(),
    *names.perceiver(
      f"{ours}/perceiver",
      "perceiver_encoder",
      decoder,
      config.perceiver.processor.num_self_attends_per_block,
      output=True,
    ),
    *names.vectors(
      f"{ours}/queries", f"{decoder}/~/trainable_position_encoding"
    ),
  ]


def _language_model(
  config: language.LanguageModelConfig,
) -> list[names.Entry]:
  ours = "language_model"
  return [
    *_text_input(),
    *names.perceiver(
      f"{ours}/perceiver",
      "perceiver_encoder",
      "basic_decoder",
      config.perceiver.processor.num_self_attends_per_block,
      output=False,
    ),
    *names.vectors(
      f"{ours}/queries", "basic_decoder/~/trainable_position_encoding"
    ),
    *names.single(f"{ours}/logits", "embedding_decoder", {"b": "bias"}),
  ]


def _perceiver_ar(
  config: autoregressive.AutoregressiveConfig,
) -> list[names.Entry | names.Fixed]:
  ours, theirs = "perceiver_ar", "perceiver_ar/~"
  embeddings = {"embeddings": "embeddings"}
  table: list[names.Entry | names.Fixed] = [
    *names.single(f"{ours}/token_embedding", f"{theirs}/embed", embeddings),
    *names.linear(f"{ours}/query", f"{theirs}/linear"),
    *names.cross_attention(
      f"{ours}/cross_attention", f"{theirs}/cross_attention", mlp="dense"
    ),
    *names.self_attention_stack(
      f"{ours}/stack/self_attention",
      f"{theirs}/self_attention",
      config.num_layers,
      mlp="dense",
    ),
    *names.norm(f"{ours}/norm", "perceiver_ar/layer_norm"),
    *names.linear(f"{ours}/logits", f"{theirs}/logits"),
  ]
  if isinstance(config.positions, autoregressive.Learned):
    for axis in range(len(config.positions.sizes)):
      module = f"{theirs}/embed_{axis + 1}"
      table += names.single(f"{ours}/positions_{axis}", module, embeddings)
  if isinstance(config.positions, autoregressive.Sinusoidal):
    shape = config.positions.size, config.embedding_channels
    make = functools.partial(position_encoding.sinusoidal_table, *shape)
    table.append(names.Fixed((f"{theirs}/embed_1", "embeddings"), shape, make))
  return table


def _optical_flow(config: optical_flow.OpticalFlowConfig) -> list[names.Entry]:
  ours = "optical_flow"
  return [
    *names.linear(
      f"{ours}/flow_input/patch_projection", "image_preprocessor/patches_linear"
    ),
    *names.perceiver(
      f"{ours}/perceiver",
      "perceiver_encoder",
      "flow_decoder/~/basic_decoder",
      config.perceiver.processor.num_self_attends_per_block,
      output=True,
    ),
  ]


def _video_autoencoder(
  config: video_autoencoding.VideoAutoencoderConfig,
) -> list[names.Entry]:
  ours, decoder = "autoencoder", "multimodal_decoder"
  table = [
    *names.vectors(
      f"{ours}/perceiver/latents", "encoder/~/trainable_position_encoding"
    ),
    *names.cross_attention(
      f"{ours}/perceiver/cross_attention", "encoder/~/cross_attention"
    ),
    *names.self_attention_stack(
      f"{ours}/perceiver/processor/stack/self_attention",
      "encoder/~/self_attention",
      config.perceiver.processor.num_self_attends_per_block,
    ),
    *names.cross_attention(
      f"{ours}/decoder/cross_attention",
      f"{decoder}/~/basic_decoder/cross_attention",
    ),
    *names.linear(
      f"{ours}/decoder/output", f"{decoder}/~/basic_decoder/output"
    ),
    *names.vectors(
      f"{ours}/decoder/label_queries",
      "classification_decoder/~/basic_decoder/~/trainable_position_encoding",
    ),
  ]
  for modality, postprocessor in _POSTPROCESSORS.items():
    table += names.linear(
      f"{ours}/decoder/{modality}_output", f"{postprocessor}/linear"
    )
    table += names.vectors(
      f"{ours}/decoder/{modality}_padding",
      f"{decoder}/~decoder_query/{modality}_padding",
    )
    for vector in ("padding", "mask_token"):
      table += names.vectors(
        f"{ours}/multimodal_input/{modality}_{vector}",
        f"multimodal_preprocessor/{modality}_{vector}",
      )
  return table
