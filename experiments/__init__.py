"""Commands, wings and service rooms."""

import sys

# Python imports this before a command, whose own imports take seconds, and half
# a minute from a slow disk. Its first argument is still "-m" then.
if sys.argv[0] == "-m":
  from experiments.cluster import signals

  signals.end_at_once()
  if sys.stderr and sys.stderr.isatty():
    print("loading …", file=sys.stderr, flush=True)
