"""Numbers that stand in the text of a compiled program.

XLA's own summary of a program's cost counts the body of a loop once. The TPU
compiler writes its estimate of cycles beside every instruction; here those of a
loop's body count as often as it runs.
"""

from collections.abc import Callable, Iterator
import math
import re

_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{\s*$")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_CALLED = re.compile(
  r"\b(?:call|async-start)\(.*(?:to_apply|calls)=%?([\w.\-]+)"
)
_BODY = re.compile(r"body=%?([\w.\-]+)")
_CONDITION = re.compile(r"condition=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'known_trip_count":\{"n":"(\d+)"')
_CONSTANT = re.compile(r"s32\[\][^=]*constant\((\d+)\)")
_KERNEL = 'custom_call_target="tpu_custom_call"'
_DECLARED = re.compile(r'"(flops|transcendentals|bytes_accessed)":"(\d+)"')
_COLLECTIVE = re.compile(
  r"= (.*?) (all-reduce|all-gather|reduce-scatter|collective-permute"
  r"|all-to-all)(-start)?\("
)
_ARRAY = re.compile(r"([a-z]+\d*)\[([\d,]*)\]")
# A kernel's declared work, in cycles: half the rate of v5e's matrix units, two
# cycles for 1,024 transcendentals, and the rate of its memory.
_KERNEL_RATES = {"flops": 2**16, "transcendentals": 512, "bytes_accessed": 546}


class Program:
  """The computations of a program's text.

  Attributes:
    undeclared: Pallas kernels without a declared cost, which count nothing;
      complete once `cycles` was called.
  """

  def __init__(self, text: str) -> None:
    self.undeclared: list[str] = []
    self._lines: dict[str, list[str]] = {}
    self._entry, lines = "", list[str]()
    for line in text.splitlines():
      if head := _HEAD.match(line):
        lines = self._lines[head[2]] = []
        self._entry = head[2] if head[1] else self._entry
      else:
        lines.append(line)

  def cycles(self) -> int:
    """Returns the cycles that the TPU compiler expects.

    Copies beside the computation count nothing.
    """
    memo: dict[str, int] = {}

    def of(name: str) -> int:
      if name not in memo:
        lines = self._lines.get(name, [])
        memo[name] = sum(self._of_line(line, of) for line in lines)
      return memo[name]

    return of(self._entry)

  def _of_line(self, line: str, of: Callable[[str], int]) -> int:
    if " while(" in line and (body := _BODY.search(line)):
      return of(body[1]) * self._trips(line)
    total = 0
    if found := _CYCLES.search(line):
      total += int(found[1])
    elif called := _CALLED.search(line):
      total += of(called[1])
    if _KERNEL in line:
      total += self._kernel(line)
    if branches := _BRANCHES.search(line):
      total += max(of(b.strip().lstrip("%")) for b in branches[1].split(","))
    return total

  def _trips(self, line: str) -> int:
    """Returns the number of runs of a loop's body.

    Where the compiler does not say so, the loop counts up to the largest
    number in its condition.
    """
    if known := _TRIPS.search(line):
      return int(known[1])
    condition = _CONDITION.search(line)
    lines = self._with_callees(condition[1]) if condition else ()
    constants = [int(x) for each in lines for x in _CONSTANT.findall(each)]
    return max(constants, default=1)

  def _with_callees(self, name: str) -> Iterator[str]:
    for line in self._lines.get(name, []):
      yield line
      for callee in re.findall(r"calls=%?([\w.\-]+)", line):
        yield from self._with_callees(callee)

  def _kernel(self, line: str) -> int:
    declared = {name: int(size) for name, size in _DECLARED.findall(line)}
    if not declared:
      self.undeclared.append(line.split(" = ")[0].strip())
    cost = {n: declared.get(n, 0) / rate for n, rate in _KERNEL_RATES.items()}
    work = cost["flops"] + cost["transcendentals"]
    return int(max(work, cost["bytes_accessed"]))

  def collectives(self) -> dict[str, tuple[int, int]]:
    """Returns {kind: (number, bytes)} of the exchanges between devices.

    One in a loop counts once.
    """
    found: dict[str, tuple[int, int]] = {}
    for lines in self._lines.values():
      for line in lines:
        if match := _COLLECTIVE.search(line):
          number, size = found.get(match[2], (0, 0))
          size += _size(match[1], is_started=bool(match[3]))
          found[match[2]] = number + 1, size
    return found


def _size(shapes: str, *, is_started: bool) -> int:
  """Returns bytes of arrays such as `(f32[8,2]{1,0}, bf16[4])`.

  The start of an exchange may list its operands beside its results, of which
  the larger half counts.
  """
  sizes = [
    math.prod(int(n) for n in shape.split(",") if n) * _bytes(kind)
    for kind, shape in _ARRAY.findall(shapes)
  ]
  is_pair = is_started and len(sizes) > 1 and shapes.startswith("((")
  return sum(sizes) // 2 if is_pair else sum(sizes)


def _bytes(kind: str) -> int:
  bits = re.search(r"\d+", kind)
  return max(1, int(bits[0]) // 8) if bits else 1
