"""The README of a run's folder."""

import pathlib

from experiments.data import files

NAME = "README"
_TEXT = """\
The folder of a run of `python -m experiments.train`. The same command, in
provenance.json, goes on with it if it was interrupted.

config.json          the configuration
provenance.json      every start: command, code, versions, devices, seed, data
metrics.jsonl        metrics of training and evaluation, a row for each time
events.out.*         the same for TensorBoard: tensorboard --logdir FOLDER
wandb/               the same for Weights & Biases, of --train.wandb; the run's
                     id there is in wandb-id.txt
start.json           the checkpoint that the run began with, if any
checkpoints/         states to go on from, the newest few
best.safetensors     the best model by --train.best-metric, if one is kept
model.safetensors    the trained model, of a finished run; in Python:
                     model, variables = perceiver.load(FOLDER)
figures/             plots, of a finished run
files/               copies of the files that the run needs, if any
evaluations.jsonl    evaluations made later

In the clone of the code:
python -m experiments.evaluate FOLDER                evaluates it
python -m experiments.evaluate FOLDER --report DIR   makes a page, index.html
python -m experiments.list --runs FOLDER             lists it, and those below
"""


def describe(workdir: pathlib.Path) -> None:
  """Writes the README of a run's folder, unless it has one.

  Raises:
    files.InputError: if it cannot be written.
  """
  if not (workdir / NAME).exists():
    files.write_text(workdir / NAME, _TEXT)
