"""Models as programs in files, for other machines and any batch size."""

import dataclasses
import functools
import re
import subprocess
import sys

import jax
from jax import export as jax_export
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import compilation
from perceiver.attention import block_sizes
from perceiver.attention import kernel_use
from perceiver.models import glue
from tests.helpers import noise
from tests.helpers import tiny_audioset
from tests.helpers import tiny_battles
from tests.helpers import tiny_models
from tests.helpers import tiny_points
from tests.helpers import tiny_video

CONFIGS = {
  "audio and video": tiny_audioset.model_config(
    tiny_audioset.VIDEO, tiny_audioset.RAW
  ),
  "entities": tiny_battles.policy_config(),
  "flow": tiny_models.flow_model(),
  "images": tiny_models.classifier(),
  "language": tiny_models.language_model(),
  "points": tiny_points.model_config(),
  "tasks": glue.single_task("rte", tiny_models.language_model()),
  "video": tiny_video.config(),
}


def targets(exported):
  """Returns the names of a program's calls beside StableHLO's operations."""
  return set(re.findall(r"custom_call @(\w+)", exported.mlir_module()))


@pytest.mark.parametrize("domain", CONFIGS)
def test_every_domain_has_a_program_for_any_batch(domain):
  model = perceiver.create(CONFIGS[domain])
  exported = perceiver.export(model, model.shapes())
  assert exported.platforms == ("cpu", "cuda", "tpu")
  assert targets(exported) == {"shape_assertion"}
  again = jax_export.deserialize(exported.serialize())
  assert not isinstance(again.in_avals[-1].shape[0], int)
  expected = jax.eval_shape(
    model.apply, model.shapes(), *model.config.example(3)
  )
  found = jax.eval_shape(again.call, model.shapes(), *model.config.example(3))
  is_named = hasattr(expected, "_asdict")
  assert found == (expected._asdict() if is_named else expected)
  (first, *_), _ = jax.tree.unflatten(again.in_tree, again.in_avals)
  assert type(first) is perceiver.Variables


@pytest.mark.parametrize("num_latents", [None, 2])
def test_a_process_without_this_package(num_latents, tmp_path):
  model = perceiver.create(tiny_models.language_model())
  model = dataclasses.replace(model, num_latents=num_latents)
  variables = noise.variables(model)
  mask = jax.ShapeDtypeStruct((1, tiny_models.LENGTH), jnp.bool_)
  exported = perceiver.export(
    model, variables, ("cpu",), options={"input_mask": mask}
  )
  (tmp_path / "model.jax").write_bytes(exported.serialize())
  ids = np.random.default_rng(0).integers(0, 262, (3, 64), np.int32)
  mask = np.arange(64) < np.array([[64], [9], [33]])
  np.savez(tmp_path / "inputs.npz", ids=ids, mask=mask)
  script = """
import sys
from jax import export
import numpy as np
folder = sys.argv[1]
with open(f"{folder}/model.jax", "rb") as file:
  program = export.deserialize(bytearray(file.read()))
x = np.load(f"{folder}/inputs.npz")
np.save(f"{folder}/out", program.call(x["ids"], input_mask=x["mask"]))
assert not any(name.startswith(("perceiver", "haiku")) for name in sys.modules)
"""
  command = [sys.executable, "-I", "-c", script, str(tmp_path)]
  subprocess.run(command, check=True, env={"JAX_PLATFORMS": "cpu"})
  expected = np.asarray(model.apply(variables, ids, input_mask=mask))
  found = np.load(tmp_path / "out.npy")
  # Outside of a text, logits mean nothing.
  np.testing.assert_allclose(found[mask], expected[mask], rtol=1e-5, atol=1e-5)


def test_gradients_of_a_program():
  model = perceiver.create(tiny_models.classifier())
  variables = noise.variables(model)
  module = compilation.transformed(model.config, "__call__", False)
  shape = jax_export.symbolic_shape("b, 16, 16, 3")
  images = jax.ShapeDtypeStruct(shape, jnp.float32)

  def loss(params, images):
    logits, _ = module.apply(params, variables.state, None, False, images)
    return jnp.mean(jax.nn.logsumexp(logits, -1))

  gradient = jax.jit(jax.grad(loss))
  with kernel_use.allow(False):
    exported = jax_export.export(gradient)(variables.params, images)
  batch = np.random.default_rng(0).normal(size=(3, 16, 16, 3))
  batch = batch.astype(np.float32)
  expected = gradient(variables.params, batch)
  found = exported.call(variables.params, batch)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    found,
    expected,
  )


def latents_model():
  """Returns a model whose latents attend by a TPU's kernel."""
  config = tiny_models.classifier()
  network = config.perceiver
  encoder = dataclasses.replace(network.encoder, num_latents=512)
  network = dataclasses.replace(network, encoder=encoder)
  return perceiver.create(dataclasses.replace(config, perceiver=network))


def test_kernels_are_used_only_if_asked_for():
  model = latents_model()
  found = {
    kernels: targets(
      perceiver.export(
        model, model.shapes(), ("tpu",), batch_size=2, kernels=kernels
      )
    )
    for kernels in (True, False)
  }
  assert "tpu_custom_call" in found[True]
  assert not found[False]
  with pytest.raises(ValueError, match="kernels is True and batch_size None"):
    perceiver.export(model, model.shapes(), kernels=True)


@pytest.mark.parametrize("batch_size", [0, 2])
def test_a_batch_of_one_size(batch_size):
  model = perceiver.create(tiny_models.classifier())
  exported = perceiver.export(
    model, model.shapes(), ("cpu",), batch_size=batch_size
  )
  assert exported.in_avals[-1].shape == (batch_size, 16, 16, 3)


def test_blocks_of_any_batch_are_those_of_eight():
  (batch,) = jax_export.symbolic_shape("b")
  assert block_sizes.examples(batch) == 8
  choose = functools.partial(block_sizes.choose, 10**6)
  assert choose(batch, 512) == choose(8, 512) != choose(1, 512)
