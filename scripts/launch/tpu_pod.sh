#!/usr/bin/env bash
# Trains on all machines of a Cloud TPU pod:
#
#   scripts/launch/tpu_pod.sh NAME ZONE EXPERIMENT --workdir /mnt/run [OPTION...]
#
# The code is in ~/perceiver on every machine, installed there with the extra
# `tpu` in .venv, and --workdir is on a file system that all of them mount.
# Ctrl-C here does not reach the machines: `pkill -TERM -f experiments.train` on
# worker 0 has all processes save and end.
#
# Tried with a command that stands in for gcloud; never run on a real pod.
set -euo pipefail
if (($# < 3)); then
  sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
name="$1" zone="$2"
shift 2
command="$(printf ' %q' .venv/bin/python -m experiments.train "$@")"
exec gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all \
  --command="cd perceiver && exec$command --distributed.detect"
