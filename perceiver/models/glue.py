"""Classifiers of text on the trunk of a language model: GLUE.

The paper decodes a task in one of three ways (2107.14795 §4.1, table 2): with a
learned query, or at the position of a token put before the text, one for all
tasks or one per task. A two-layer MLP of each task's own turns the decoder's
output into logits (appendix F.4).
"""

import dataclasses
import enum

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32

from perceiver import bounds
from perceiver import layers
from perceiver import model
from perceiver import network
from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.adapters import text
from perceiver.attention import input_parts
from perceiver.models import base
from perceiver.models import language

_MODULE = "language_model"  # as the trunk's, so that parameters keep their name


class QueryKind(enum.Enum):
  """The decoder's queries for the tasks: the rows of 2107.14795 table 2.

  `QUERIES`: one learned query per task. `SHARED_TOKEN`: the position of one
  learned token before the text, the same for all tasks. `TASK_TOKENS`: the
  positions of as many tokens as there are tasks; all of them stand before every
  text, which the paper does not state explicitly.
  """

  QUERIES = "queries"
  SHARED_TOKEN = "shared_token"
  TASK_TOKENS = "task_tokens"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskConfig:
  """A task to be answered about a text.

  Attributes:
    name: of the task and of its head, letters, digits and underscores.
    num_outputs: classes, or 1 for a regression.
  """

  name: str
  num_outputs: int

  def __post_init__(self) -> None:
    bounds.check(self)
    if not self.name.isidentifier() or self.num_outputs < 1:
      raise ValueError(
        f"Task: name is {self.name!r} and num_outputs {self.num_outputs}; "
        "expected an identifier and at least 1."
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class GlueConfig:
  """A language model's trunk that answers tasks, all at once.

  Attributes:
    trunk: the language model; its parameters keep their names, so that those
      of its pre-training drop in (`perceiver.load_for_finetuning`).
    tasks: all tasks; one of them for a single-task model.
    query_kind: the decoder's queries for the tasks.
  """

  trunk: language.LanguageModelConfig
  tasks: tuple[TaskConfig, ...]
  query_kind: QueryKind = QueryKind.QUERIES

  def __post_init__(self) -> None:
    names = [task.name for task in self.tasks]
    if not names or len(set(names)) < len(names):
      raise ValueError(
        f"Tasks: names are {names}; expected at least one, all different."
      )
    if self.max_length < 1:
      raise ValueError(
        f"Tasks: {self.num_tokens} tokens leave no room for text within "
        f"{self.text.max_length}; expected fewer."
      )

  @property
  def num_tokens(self) -> int:
    """The number of tokens before every text."""
    return {
      QueryKind.QUERIES: 0,
      QueryKind.SHARED_TOKEN: 1,
      QueryKind.TASK_TOKENS: len(self.tasks),
    }[self.query_kind]

  @property
  def max_length(self) -> int:
    """The longest text, in the trunk's own tokens."""
    return self.text.max_length - self.num_tokens

  @property
  def text(self) -> text.TextInputConfig:
    """The trunk's vocabulary, longest text and channels."""
    return self.trunk.text

  @property
  def perceiver(self) -> network.PerceiverConfig:
    """The trunk's network."""
    return self.trunk.perceiver

  @property
  def precision(self) -> model.Precision:
    """The dtype of activations."""
    return self.trunk.precision

  def resizable_tables(self) -> dict[str, tuple[int, ...]]:
    """Returns the trunk's, whose modules keep their names."""
    return self.trunk.resizable_tables()

  def network(self, is_training: bool = False) -> "GlueModel":
    """Returns the Haiku module."""
    return GlueModel(self, is_training, name=_MODULE)

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the ids, [B, M] int32."""
    shape = (batch_size, self.max_length)
    return (jax.ShapeDtypeStruct(shape, jnp.int32),)


@dataclasses.dataclass
class GlueModel(base.AdaptedPerceiver):
  """Token ids to logits of every task."""

  config: GlueConfig

  def __call__(
    self,
    ids: checks.Unchecked,  # [B, M] integers
    *,
    input_mask: checks.Unchecked | None = None,  # [B, M] bool
  ) -> dict[str, Float32[Array, "B _"]]:
    """Returns logits, or a regression's value, float32, of each task by name.

    `ids` and `input_mask` are those of the trunk, without the tasks' tokens,
    for which M must leave room.
    """
    return self.decode(self.encode(ids, input_mask=input_mask))

  @hk.name_like("__call__")
  def decode(
    self, latents: Float[Array, "B N D"]
  ) -> dict[str, Float32[Array, "B _"]]:
    """Returns each task's logits for latents."""
    queries = self._queries().astype(latents.dtype)  # [T or 1, C]
    decoded = self._network().decode(latents, (queries[None],))
    shape = (latents.shape[0], len(self.config.tasks), queries.shape[-1])
    decoded = jnp.broadcast_to(decoded, shape)  # [B, T, C]
    return {
      task.name: TaskHead(task, name=f"{task.name}_head")(decoded[:, i])
      for i, task in enumerate(self.config.tasks)
    }

  @hk.name_like("__call__")
  def _adapt(
    self, ids: checks.Unchecked, *, input_mask: checks.Unchecked | None = None
  ) -> tuple[input_parts.Parts, Bool[Array, "B _"] | None]:
    """Returns the texts with the tasks' tokens before them, and their mask."""
    text.check_mask(input_mask, ids.shape)
    num_tokens = self.config.num_tokens
    prefix = self._vectors(num_tokens, "task_tokens") if num_tokens else None
    adapter = text.TextInput(self.config.text, name="text_input")
    if input_mask is not None:
      ahead = ((0, 0), (num_tokens, 0))
      input_mask = jnp.pad(input_mask, ahead, constant_values=True)
    return adapter(ids, prefix), input_mask

  @hk.name_like("__call__")
  def _queries(self) -> Float[Array, "#T C"]:
    """Returns the tasks' own queries, or the trunk's at the tokens' places."""
    if self.config.query_kind is QueryKind.QUERIES:
      return self._vectors(len(self.config.tasks), "task_queries")
    all_queries = self._vectors(self.config.text.max_length, "queries")
    return all_queries[: self.config.num_tokens]

  @hk.name_like("__call__")
  def _vectors(self, num: int, name: str) -> Float[Array, "{num} C"]:
    channels = self.config.text.channels
    learned = position_encoding.Learned(channels=channels)
    return position_encoding.LearnedVectors(num, learned, name=name)()


@dataclasses.dataclass
class TaskHead(hk.Module):
  """Two linear maps with a tanh between them (appendix F.4)."""

  task: TaskConfig
  name: str | None = None

  def __call__(
    self, x: Float[Array, "B E"]
  ) -> Float32[Array, "B {self.task.num_outputs}"]:
    hidden = jnp.tanh(layers.Linear(x.shape[-1], name="hidden")(x))  # [B, E]
    output = layers.Linear(self.task.num_outputs, name="output")(hidden)
    return output.astype(jnp.float32)


# ------------------------------------------------------------------ the tasks

# The eight tasks of appendix F.4, without WNLI, and their classes; STS-B asks
# for a degree of likeness.
_NAMES = ("cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb")
TASKS: dict[str, TaskConfig] = {
  name: TaskConfig(name=name, num_outputs={"mnli": 3, "stsb": 1}.get(name, 2))
  for name in _NAMES
}


def single_task(
  name: str, trunk: language.LanguageModelConfig = language.BYTES
) -> GlueConfig:
  """Returns a model of one GLUE task with one query, as in table 1.

  Raises:
    ValueError: if there is no task of that name.
  """
  if name not in TASKS:
    raise ValueError(f"GLUE: no task {name!r}; expected one of {list(TASKS)}.")
  return GlueConfig(trunk=trunk, tasks=(TASKS[name],))


def multitask(
  query_kind: QueryKind, trunk: language.LanguageModelConfig = language.BYTES
) -> GlueConfig:
  """Returns a model of all eight tasks; table 2's have the byte trunk."""
  return GlueConfig(
    trunk=trunk, tasks=tuple(TASKS.values()), query_kind=query_kind
  )


CONFIGS: dict[str, GlueConfig] = {
  # Table 2, "Multitask". Single-task models are made with `single_task`.
  "glue_multitask_queries": multitask(QueryKind.QUERIES),
  "glue_multitask_shared_token": multitask(QueryKind.SHARED_TOKEN),
  "glue_multitask_task_tokens": multitask(QueryKind.TASK_TOKENS),
}
