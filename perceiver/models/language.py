"""Masked language models: every published size of Perceiver IO on text.

Sources: 2107.14795 tables 1, 11 and 15 and appendix F; sizes of the attentions
as released. Parameter counts and operations are pinned in
`tests/perceiver/models/test_language.py`.
"""

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32

from perceiver import blocks
from perceiver import bounds
from perceiver import decoder
from perceiver import encoder
from perceiver import model
from perceiver import network as perceiver_network
from perceiver import processor
from perceiver import queries
from perceiver import rematerialisation
from perceiver.adapters import checks
from perceiver.adapters import rows
from perceiver.adapters import text
from perceiver.attention import input_parts
from perceiver.models import base

# The bytes after six special tokens: padding, begin, end, mask, class and
# separator. The paper speaks of four (§4.1); the released model has six.
NUM_BYTES = 256 + 6
NUM_SENTENCEPIECES = 32_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageModelConfig:
  """A Perceiver that gives logits over tokens for every position of a text.

  Attributes:
    text: vocabulary, longest text and channels of the embeddings.
    perceiver: the network. Its decoder has no linear map at its end: its
      outputs are compared with the embeddings of all tokens.
    precision: the dtype of activations.
  """

  text: text.TextInputConfig
  perceiver: perceiver_network.PerceiverConfig
  precision: model.Precision = model.Precision.FLOAT32

  def __post_init__(self) -> None:
    channels = self.text.channels
    base.check_channels(self.perceiver, channels, channels)
    if self.perceiver.decoder.output_channels is not None:
      raise ValueError(
        f"Decoder: output_channels is {self.perceiver.decoder.output_channels};"
        " expected None, since logits are products with the embeddings."
      )

  def resizable_tables(self) -> dict[str, tuple[int, ...]]:
    """Returns the grids of learned positions by the module that holds them."""
    tables = self.text.resizable_tables()
    below = {f"language_model/text_input/{k}": n for k, n in tables.items()}
    return below | {"language_model/queries": (self.text.max_length,)}

  def network(self, is_training: bool = False) -> "LanguageModel":
    """Returns the Haiku module."""
    return LanguageModel(self, is_training, name="language_model")

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the ids, [B, M] int32."""
    return (self.text.example(batch_size),)


@dataclasses.dataclass
class LanguageModel(base.AdaptedPerceiver):
  """Token ids to logits over tokens."""

  config: LanguageModelConfig

  def __call__(
    self,
    ids: checks.Unchecked,  # [B, M] integers
    *,
    input_mask: checks.Unchecked | None = None,  # [B, M] bool
    positions: checks.Unchecked | None = None,  # [B, P] or [P] integers
  ) -> Float32[Array, "B P V"]:
    """Returns logits, float32, of every position or of `positions` only.

    Args:
      ids: from 0 to `vocab_size` - 1, M at most `max_length`. Values are not
        checked: an id out of this range enters as NaN.
      input_mask: True where there is text; all else is neither attended to
        nor, as in the released model, decoded: logits there mean nothing.
      positions: those of the logits, from 0 to M - 1; no others are
        computed. Logits at a position out of this range mean nothing.
    """
    latents = self.encode(ids, input_mask=input_mask)  # [B, N, D]
    query_mask = input_mask
    if positions is None:
      positions = jnp.arange(ids.shape[1])
    elif input_mask is not None:
      indices = jnp.broadcast_to(positions, (ids.shape[0], positions.shape[-1]))
      query_mask = jnp.take_along_axis(
        input_mask, indices, axis=1, mode="fill", fill_value=False
      )
    return self.decode(latents, positions, query_mask=query_mask)

  @hk.name_like("__call__")
  def decode(
    self,
    latents: Float[Array, "B N D"],
    positions: checks.Unchecked | None = None,  # [B, P] or [P] integers
    *,
    query_mask: checks.Unchecked | None = None,  # [B, P] bool
  ) -> Float32[Array, "B P V"]:
    """Returns logits, float32, of the given positions, or of all there are.

    Args:
      latents: from `encode`.
      positions: from 0 to `max_length` - 1, the same for all texts or not.
      query_mask: False for positions outside the text, whose logits then mean
        nothing; affects no other position.
    """
    cfg = self.config.text
    (query,) = queries.learned(cfg.max_length, cfg.channels)  # [1, max, C]
    if positions is not None:
      _check_positions(positions, latents.shape[0])
      query = rows.take(query[0], jnp.atleast_2d(positions))  # [B or 1, P, C]
    text.check_mask(query_mask, (latents.shape[0], query.shape[1]))
    decoded = self._network().decode(
      latents, (query.astype(latents.dtype),), query_mask=query_mask
    )  # [B, P, C]
    table = text.TextInput(cfg, name="text_input").table()  # [V, C]
    return text.TiedLogits(name="logits")(decoded, table)

  @hk.name_like("__call__")
  def _adapt(
    self, ids: checks.Unchecked, *, input_mask: checks.Unchecked | None = None
  ) -> tuple[input_parts.Parts, Bool[Array, "B M"] | None]:
    return self.config.text.apply(ids, input_mask)


def _check_positions(
  positions: checks.Unchecked, batch_size: bounds.Size
) -> None:
  if not jnp.issubdtype(positions.dtype, jnp.integer):
    raise TypeError(
      f"Language model: positions have dtype {positions.dtype}; expected "
      "integers."
    )
  if positions.ndim != 1 and (
    positions.ndim != 2 or positions.shape[0] != batch_size
  ):
    raise ValueError(
      f"Language model: positions have shape {tuple(positions.shape)}; "
      f"expected [positions] or [{batch_size}, positions]."
    )


# -------------------------------------------------------------------- the sizes


def language_model(
  *,
  vocab_size: int = NUM_BYTES,
  max_length: int = 2048,
  channels: int = 768,
  num_latents: int = 256,
  latent_channels: int = 1280,
  num_layers: int = 26,
  num_heads: int = 8,
  qk_channels: int = 256,
  embedding_init_scale: float = 1.0,
  self_attention: blocks.SelfAttentionConfig | None = None,
  remat: rematerialisation.Remat = rematerialisation.Remat.ATTENTION,
) -> LanguageModelConfig:
  """Returns the byte model, but for what is given.

  `num_heads` and `qk_channels` are those of the cross-attentions.
  """
  cross_attention = blocks.CrossAttentionConfig(
    num_heads=num_heads, qk_channels=qk_channels, v_channels=latent_channels
  )
  return LanguageModelConfig(
    text=text.TextInputConfig(
      vocab_size=vocab_size,
      max_length=max_length,
      channels=channels,
      embedding_init_scale=embedding_init_scale,
    ),
    perceiver=perceiver_network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=channels,
        num_latents=num_latents,
        latent_channels=latent_channels,
        cross_attention=cross_attention,
      ),
      processor=processor.ProcessorConfig(
        channels=latent_channels,
        num_self_attends_per_block=num_layers,
        remat=remat,
        self_attention=self_attention
        or blocks.SelfAttentionConfig(
          qk_channels=256, v_channels=latent_channels
        ),
      ),
      decoder=decoder.DecoderConfig(
        query_channels=channels,
        output_channels=None,
        cross_attention=dataclasses.replace(
          cross_attention, v_channels=channels, query_residual=False
        ),
      ),
    ),
  )


BYTES = language_model()
SENTENCEPIECE = language_model(vocab_size=NUM_SENTENCEPIECES, max_length=512)
BYTES_LARGE = language_model(latent_channels=1536, num_layers=40)

CONFIGS: dict[str, LanguageModelConfig] = {
  # Tables 1 and 11: "Perceiver IO", "Perceiver IO Base", "Perceiver IO++".
  "language_bytes": BYTES,
  "language_sentencepiece": SENTENCEPIECE,
  "language_bytes_large": BYTES_LARGE,
  # Table 15: fewer and wider, more and narrower latents.
  "language_bytes_128_latents": language_model(
    num_latents=128, latent_channels=1920
  ),
  "language_bytes_512_latents": language_model(
    num_latents=512, latent_channels=896
  ),
}
