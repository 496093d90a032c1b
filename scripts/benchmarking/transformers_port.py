"""Measures the same model in the port of Hugging Face, on PyTorch."""

import json
import multiprocessing
import pathlib
import tempfile
import time
from typing import Any

import numpy as np

from perceiver import model as perceiver_model
from perceiver.checkpoints.huggingface import folder as huggingface_folder
from scripts.benchmarking import cases
from scripts.benchmarking import job as benchmarking_job


def export(job: benchmarking_job.Job, folder: pathlib.Path) -> None:
  """Writes our model with its variables as a folder of `transformers`."""
  model = job.model()
  huggingface_folder.save(
    folder, model, benchmarking_job.random_variables(model)
  )


class Measurement:
  """A model of transformers with our weights, and its arguments."""

  def __init__(self, job: benchmarking_job.Job) -> None:
    import torch

    self._job, self._torch = job, torch
    self._device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = {
      perceiver_model.Precision.FLOAT32: torch.float32,
      perceiver_model.Precision.BFLOAT16: torch.bfloat16,
    }[job.precision]
    with tempfile.TemporaryDirectory() as temporary:
      folder = pathlib.Path(temporary) / "model"
      # In a process of its own, whose memory must not count here.
      export_process = multiprocessing.get_context("spawn").Process(
        target=export, args=(job, folder)
      )
      export_process.start()
      export_process.join()
      self._model = _read(folder).to(self._device, dtype)
    self._model.eval()
    self._arguments = _arguments(job, self._model, self._tensor, dtype)
    self._resting = benchmarking_job.resident()

  def _tensor(self, array: np.ndarray, dtype: Any = None) -> Any:
    tensor = self._torch.from_numpy(np.ascontiguousarray(array))
    return tensor.to(self._device, dtype)

  def run(self) -> float:
    """Computes once and returns the seconds that it took."""
    started = time.perf_counter()
    if self._job.computation is benchmarking_job.Computation.GRADIENT:
      self._model.zero_grad(set_to_none=True)
      logits = self._model(**self._arguments).logits
      parts = logits.values() if isinstance(logits, dict) else [logits]
      sum(x.float().square().mean() for x in parts).backward()
    else:
      with self._torch.inference_mode():
        logits = self._model(**self._arguments).logits
    if self._device == "cuda":
      self._torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    self._logits = logits
    return seconds

  def outputs(self) -> np.ndarray:
    """Returns the outputs as one vector, which is empty for a gradient."""
    if self._job.computation is benchmarking_job.Computation.GRADIENT:
      return np.zeros(0, np.float32)
    as_array = lambda x: x.float().cpu().numpy()
    if isinstance(self._logits, dict):
      found = {name: as_array(x) for name, x in self._logits.items()}
      return benchmarking_job.flat(found)
    # The flow of transformers is a twentieth of ours, which is in pixels.
    unit = 20 if self._job.case == "optical_flow" else 1
    return unit * benchmarking_job.flat(as_array(self._logits))

  def facts(self) -> dict[str, Any]:
    """Returns all measurements besides time."""
    cuda = self._device == "cuda"
    return {
      "resting_bytes": self._resting,
      "device": self._torch.cuda.get_device_name() if cuda else "cpu",
      "device_peak_bytes": (
        self._torch.cuda.max_memory_allocated() if cuda else None
      ),
    }


def _read(folder: pathlib.Path) -> Any:
  import transformers

  entries = json.loads((folder / "config.json").read_text())
  (architecture,) = entries["architectures"]
  return getattr(transformers, architecture).from_pretrained(folder)


def _arguments(
  job: benchmarking_job.Job, model: Any, tensor: Any, dtype: Any
) -> dict[str, Any]:
  """Returns the arguments of the model of transformers for our inputs."""
  (inputs,) = job.inputs()
  if job.case == "language_bytes":
    return {"inputs": tensor(inputs)}
  if job.case == "optical_flow":
    return {"inputs": tensor(_neighbourhoods(inputs), dtype)}
  if job.case != "video_autoencoding":
    return {"inputs": tensor(np.moveaxis(inputs, -1, 1), dtype)}
  label = np.zeros((job.batch_size, model.config.num_labels), np.float32)
  points = cases.CASES[job.case].options["output_points"]
  return {
    "inputs": {
      "image": tensor(np.moveaxis(inputs["image"], -1, 2), dtype),
      "audio": tensor(inputs["audio"], dtype),
      "label": tensor(label, dtype),
    },
    "subsampled_output_points": {
      **{name: tensor(x) for name, x in points.items()},
      "label": None,
    },
  }


def _neighbourhoods(frames: np.ndarray) -> np.ndarray:
  """Returns the 3×3 neighbourhoods [B, 2, 27, H, W] of the pixels."""
  padded = np.pad(frames, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
  height, width = frames.shape[2:4]
  shifted = [
    padded[:, :, i : i + height, j : j + width]
    for i in range(3)
    for j in range(3)
  ]
  return np.moveaxis(np.concatenate(shifted, axis=-1), -1, 2)
