"""Names of earlier versions, with what took their place."""

VERSION, BEFORE = "0.2.0", "0.1.0"

# {old: new}; an option whose name begins with an old one and a dot counts.
_OPTIONS: dict[str, str] = {
  "--judging": "--evaluation",
}


def option(name: str) -> str | None:
  """Returns the new name of an option; None if its name is not an old one."""
  for old, new in _OPTIONS.items():
    if name == old or name.startswith(f"{old}."):
      return new + name.removeprefix(old)
  return None
