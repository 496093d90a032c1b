#!/usr/bin/env bash
# Trains on a preemptible (spot) TPU until the run is finished:
#
#   TYPE=v4-32 VERSION=tpu-ubuntu2204-base scripts/launch/preemptible_tpu.sh \
#       NAME ZONE EXPERIMENT --workdir /mnt/run [OPTION...]
#
# A TPU that was taken away is made anew, and the same command goes on from the
# run's last checkpoint. SETUP, a script on this machine, is run on every new
# machine: it mounts the shared folder and installs the code. A command that
# fails three times on a TPU that is still there ends the loop. PAUSE is the
# number of seconds between two attempts (60).
#
# Tried with a command that stands in for gcloud; never run on a real TPU.
set -uo pipefail
if (($# < 3)) || [[ -z "${TYPE:-}" || -z "${VERSION:-}" ]]; then
  sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
here="$(dirname "${BASH_SOURCE[0]}")"
name="$1" zone="$2" pause="${PAUSE:-60}"

tpu() {  # VERB OPTION...
  gcloud compute tpus tpu-vm "$1" "$name" --zone="$zone" "${@:2}"
}

state() {
  tpu describe --format='value(state)' 2>/dev/null || echo MISSING
}

make_tpu() {
  tpu delete --quiet 2>/dev/null
  tpu create --accelerator-type="$TYPE" --version="$VERSION" --spot || return
  [[ -z "${SETUP:-}" ]] || tpu ssh --worker=all --command="$(<"$SETUP")"
}

failures=0
while ((failures < 3)); do
  if [[ "$(state)" != READY ]] && ! make_tpu; then
    echo "preemptible_tpu.sh: no TPU; again in $pause seconds" >&2
    sleep "$pause"
    continue
  fi
  if "$here/tpu_pod.sh" "$@"; then
    echo "preemptible_tpu.sh: the run is finished; delete the TPU $name" >&2
    exit 0
  fi
  if [[ "$(state)" == READY ]]; then
    ((failures += 1))
  else
    failures=0
    echo "preemptible_tpu.sh: the TPU was taken away" >&2
  fi
  sleep "$pause"
done
echo "preemptible_tpu.sh: the run failed three times, though its TPU is there" >&2
exit 1
