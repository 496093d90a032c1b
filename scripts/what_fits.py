"""The recipes on hardware that is not here: the table of docs/hardware.md.

  python -m scripts.what_fits [--on NAME ...] [--only EXPERIMENT:RECIPE ...]

Every recipe is compiled by `experiments.preflight`, with `--fit` where it does
not fit as it is. What comes out is stored after each of them and not compiled
again, so that the command goes on where it ended. A recipe takes minutes for
TPUs and less for GPUs; programs that are equal are compiled once.
"""

import json
import pathlib
import subprocess
import sys
from typing import Any

import tabulate
import tyro

from experiments.cli import paths
from experiments.cli import registry
from experiments.data import files
from experiments.hardware import accelerators
from experiments.hardware import findings
from experiments.runs import progress

_PAGE = pathlib.Path("docs") / "hardware.md"
_BEGIN, _END = "<!-- what fits -->\n", "<!-- end -->\n"
_HEADERS = ("recipe", "batch", "options", "a device", "collectives", "estimate")


def recipes() -> list[str]:
  """Returns EXPERIMENT:RECIPE of all, each experiment's main one first."""
  every = [registry.choices(name)[:-1] for name in registry.names()]
  ordered = [c for found in every for c in found[:1]]
  ordered += [c for found in every for c in found[1:]]
  return [f"{choice.name}:{choice.recipe}" for choice in ordered]


def compile_recipe(recipe: str, hardware: str) -> dict[str, Any]:
  """Returns the stored sizes of a recipe on some hardware.

  Args:
    recipe: EXPERIMENT:RECIPE.
    hardware: its name.
  """
  name, _, kind = recipe.partition(":")
  command = [sys.executable, "-m", "experiments.preflight", name, "--json"]
  command += ["--recipe", kind, "--on", hardware]
  for more in ([], ["--fit"]):
    done = subprocess.run([*command, *more], capture_output=True, text=True)
    if done.returncode not in (0, 1):
      lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
      return {"fits": False, "reason": lines[-1], "options": ""}
    page = json.loads(done.stdout)
    if page["fits"]:
      break
  step = page["training"]
  kept = ("fits", "batch_size", "accumulate", "fsdp", "remat", "options")
  return {key: page[key] for key in (*kept, "milliseconds", "num_steps")} | {
    "reason": step["reason"],
    "arguments": step["arguments"],
    "temporaries": step["temporaries"],
    "collectives": step["collectives"],
  }


def table(rows: dict[str, dict[str, Any]], hardware: str) -> str:
  """Returns the rows of some hardware as Markdown."""
  memory = accelerators.find(hardware).memory
  lines = []
  for name, row in sorted(rows.items()):
    if row["reason"]:
      # Its first sentence; the command says what would help.
      reason = row["reason"].removeprefix("error: ").split(". ")[0]
      lines.append([f"`{name}`", "", "", reason, "", ""])
      continue
    used = (row["arguments"] / 1e9, row["temporaries"] / 1e9)
    sizes = f"{used[0]:.2f} + {used[1]:.2f} of {memory / 1e9:.1f} GB"
    exchanged = sum(size for _, size in row["collectives"].values()) / 1e6
    lines.append(
      [
        f"`{name}`",
        f"{row['batch_size']:,}",
        row["options"] and f"`{row['options']}`",
        sizes if row["fits"] else f"does not fit: {sizes}",
        f"{exchanged:,.0f} MB",
        _time(row),
      ]
    )
  return tabulate.tabulate(lines, _HEADERS, "pipe", disable_numparse=True)


def _time(row: dict[str, Any]) -> str:
  if not row["milliseconds"]:
    return ""
  text = f"{row['milliseconds']:,.0f} ms"
  if row["num_steps"]:
    days = row["num_steps"] * row["milliseconds"] / 86_400e3
    text += f", {days:,.1f} days"
  return text


def write_tables(found: findings.Findings, page: pathlib.Path = _PAGE) -> None:
  """Writes the tables of all hardware into the page."""
  head, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
  _, _, tail = rest.partition(_END)
  parts = [f"`{name}`:\n\n{table(found[name], name)}\n" for name in found]
  text = "\n".join(parts)
  files.write_text(page, f"{head}{_BEGIN}{text}{_END}{tail}")


def main(
  *,
  on: tuple[str, ...] = ("h100-8", "tpu-v5e-64"),
  only: tuple[str, ...] = (),
  stored: pathlib.Path = findings.PATH,
  page: pathlib.Path = _PAGE,
) -> None:
  """Compiles what is not stored yet, and writes the tables.

  Args:
    on: names of hardware.
    only: EXPERIMENT:RECIPE of those to be compiled; all if none.
    stored: what was found so far.
    page: the document with the tables.
  """
  found = findings.read(stored)
  for recipe in only or recipes():
    for hardware in on:
      rows = found.setdefault(hardware, {})
      name = recipe.replace(":", " ")
      if name in rows:
        continue
      progress.write(f"{name} on {hardware} …")
      rows[name] = compile_recipe(recipe, hardware)
      files.write_text(stored, json.dumps(found, indent=1, sort_keys=True))
      write_tables(found, page)
  write_tables(found, page)


if __name__ == "__main__":
  tyro.cli(main, registry=paths.REGISTRY)
