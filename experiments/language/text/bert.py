"""The paper's baseline: a Transformer of bytes like BERT (1810.04805).

Six layers of 512 channels make it as costly as Perceiver IO on 2,048 bytes
(2107.14795 table 1 and appendix F.3). Norms come after the residuals, as in
BERT; the learned vector before the text is its [CLS], where all tasks are
answered. Without tasks it is a masked language model, for pre-training.
"""

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp

from perceiver import blocks
from perceiver import layers
from perceiver import position_encoding
from perceiver.adapters import text
from perceiver.attention import projections
from perceiver.models import glue
from perceiver.models import language

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class BertConfig:
  """A Transformer over all positions of a text.

  Attributes:
    text: vocabulary, longest text with the vector before it, and channels.
    tasks: what is answered; if nothing, logits of tokens are computed.
    num_layers: the number of layers.
    num_heads: of every layer.
    mlp_widening: hidden channels of the MLPs over the text's.
  """

  text: text.TextInputConfig
  tasks: tuple[glue.TaskConfig, ...] = ()
  num_layers: int = 6
  num_heads: int = 8
  mlp_widening: int = 4

  def __post_init__(self) -> None:
    if self.num_layers < 1 or self.text.max_length < 2:
      raise ValueError(
        f"BERT: num_layers is {self.num_layers}, max_length "
        f"{self.text.max_length}; expected at least 1 and 2."
      )
    _ = self.attention

  @property
  def attention(self) -> projections.AttentionConfig:
    """The attention of every layer."""
    layer = blocks.SelfAttentionConfig(num_heads=self.num_heads)
    return layer.attention(self.text.channels, self.text.channels)

  @property
  def max_length(self) -> int:
    """The longest text, without the vector before it."""
    return self.text.max_length - 1

  def network(self, is_training: bool = False) -> "Bert":
    """Returns the Haiku module."""
    del is_training  # Nothing is dropped.
    return Bert(self, name="bert")

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the ids, [B, M] int32."""
    shape = (batch_size, self.max_length)
    return (jax.ShapeDtypeStruct(shape, jnp.int32),)


@dataclasses.dataclass
class Bert(hk.Module):
  """Token ids to logits of every task, or of tokens."""

  config: BertConfig
  name: str | None = None

  def __call__(
    self,
    ids: Array,  # [B, M] integers
    *,
    input_mask: Array | None = None,  # [B, M] bool
    positions: Array | None = None,  # [B, P] integers
  ) -> dict[str, Array] | Array:  # of [B, outputs of the task], or [B, P, V]
    """Returns logits, or a regression's value, float32, of each task by name.

    Without tasks, logits of tokens at all positions or some.

    Args:
      ids: as for `perceiver.models.glue.GlueModel`.
      input_mask: True where there is text; what is False is not read.
      positions: those of the tokens whose logits are computed, without tasks.
    """
    cfg = self.config
    text.check_mask(input_mask, ids.shape)
    vector = position_encoding.Learned(channels=cfg.text.channels)
    prefix = position_encoding.LearnedVectors(1, vector, name="class")()
    text_input = text.TextInput(cfg.text, name="text_input")
    (x,) = text_input(ids, prefix)
    if input_mask is not None:
      ahead = ((0, 0), (1, 0))
      input_mask = jnp.pad(input_mask, ahead, constant_values=True)
    x = layers.LayerNorm(name="input_norm")(x)  # [B, 1 + M, C]
    for i in range(cfg.num_layers):
      x = Layer(cfg, name=f"layer_{i}")(x, input_mask)  # [B, 1 + M, C]
    if not cfg.tasks:
      x = x[:, 1:]  # [B, M, C]
      if positions is not None:
        x = jnp.take_along_axis(x, positions[..., None], axis=1)  # [B, P, C]
      x = jax.nn.gelu(layers.Linear(x.shape[-1], name="token_hidden")(x))
      x = layers.LayerNorm(name="token_norm")(x)
      return text.TiedLogits(name="logits")(x, text_input.table())
    return {
      task.name: glue.TaskHead(task, name=f"{task.name}_head")(x[:, 0])
      for task in cfg.tasks
    }


@dataclasses.dataclass
class Layer(hk.Module):
  """Attention, residual, norm; MLP, residual, norm."""

  config: BertConfig
  name: str | None = None

  def __call__(
    self,
    x: Array,  # [B, T, C]
    mask: Array | None,  # [B, T] bool
  ) -> Array:  # [B, T, C]
    cfg, channels = self.config.attention, x.shape[-1]
    weights = projections.Attention(cfg, name="attention").weights(
      channels, channels
    )
    keys_values = projections.project_keys_values(
      cfg, weights, x, num_queries=x.shape[1], input_mask=mask
    )
    attended = projections.attend(cfg, weights, keys_values, x)  # [B, T, C]
    x = layers.LayerNorm(name="attention_norm")(x + attended)
    widened = layers.Mlp(self.config.mlp_widening, name="mlp")(x)  # [B, T, C]
    return layers.LayerNorm(name="mlp_norm")(x + widened)


def byte_bert(tasks: tuple[glue.TaskConfig, ...] = ()) -> BertConfig:
  """Returns "BERT (matching FLOPs)" on bytes of table 1, 20 M parameters."""
  text_config = text.TextInputConfig(
    vocab_size=language.NUM_BYTES,
    max_length=2048,
    channels=512,
    embedding_init_scale=0.02,  # BERT's
  )
  return BertConfig(text=text_config, tasks=tasks)


def base_bert(tasks: tuple[glue.TaskConfig, ...] = ()) -> BertConfig:
  """Returns "BERT Base" on SentencePiece of table 1, 110 M parameters."""
  text_config = text.TextInputConfig(
    vocab_size=language.NUM_SENTENCEPIECES,
    max_length=512,
    channels=768,
    embedding_init_scale=0.02,
  )
  return BertConfig(text=text_config, tasks=tasks, num_layers=12, num_heads=12)
