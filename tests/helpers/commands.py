"""Runs of tiny experiments from the command line."""

from collections.abc import Callable, Sequence
import json
import pathlib
from typing import Any

import pytest

from experiments import train


def command(
  capsys: pytest.CaptureFixture[str],
  main: Callable[[Sequence[str]], int],
  *arguments: Any,
  code: int = 0,
) -> str:
  """Returns the output of a command, its errors if `code` is not 0."""
  found = main([str(argument) for argument in arguments])
  captured = capsys.readouterr()
  assert found == code, captured.err
  return captured.err if code else captured.out


def finished(
  factory: pytest.TempPathFactory, module: str, *arguments: Any
) -> pathlib.Path:
  """Trains the mini recipe of a module, and returns the run's folder."""
  folder = factory.mktemp("run")
  given = [module, "--mini", "--workdir", folder, *arguments]
  assert train.main([str(argument) for argument in given]) == 0
  return folder


def rows(folder: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the log of a run."""
  lines = (folder / "metrics.jsonl").read_text().splitlines()
  return [json.loads(line) for line in lines]
