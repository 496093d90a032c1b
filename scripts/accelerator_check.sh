#!/usr/bin/env bash
# Checks the library on the GPU or TPU of this machine, in parts of at most
# eight minutes each:
#
#   scripts/accelerator_check.sh PART...      # or `all`
#
#   paths     every path of attention against float64 on the CPU
#   forward   time and memory of the models' outputs in bfloat16 and float32,
#             with batches of 1 and 16, beside transformers where it is installed
#   gradient  the same of the gradients, batch 16, bfloat16
#   flow      frames per second of optical flow at 1088×436 pixels
#   training  `digits` and `imagenet --mini`: trained, killed and resumed
#
# With DRY_RUN=1 all sizes are tiny, to try the script without an accelerator.
# OUTPUT is the folder for results (accelerator_check), PYTHON the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="${PYTHON:-.venv/bin/python}"
output="${OUTPUT:-accelerator_check}"
dry="${DRY_RUN:-}"
[[ -x "$python" ]] || python="$(command -v "$python")"
mkdir -p "$output"

paths() {
  "$python" -m scripts.benchmarking.paths ${dry:+--tiny}
}

benchmark() {  # NAME OPTION...
  local name="$1"; shift
  if [[ -n "$dry" ]]; then
    set -- "$@" --cases language_bytes --size 64 --batch-size 1 --repeats 1 \
      --implementations ours
  fi
  "$python" -m scripts.benchmark "$@" --output "$output/$name"
}

forward() {
  local precision batch
  for precision in bfloat16 float32; do
    for batch in 1 16; do
      benchmark "forward_${precision}_$batch" --computations forward \
        --precision "$precision" --batch-size "$batch" --repeats 10 \
        --cases imagenet_fourier language_bytes optical_flow
      [[ -z "$dry" ]] || return 0
    done
  done
}

gradient() {
  benchmark gradient_bfloat16_16 --computations gradient \
    --precision bfloat16 --batch-size 16 --repeats 10 \
    --cases imagenet_fourier language_bytes optical_flow
}

flow() {
  if [[ -n "$dry" ]]; then
    "$python" -m scripts.benchmarking.flow_rate --size 368 496 --repeats 1
    return
  fi
  local precision
  for precision in bfloat16 float32; do
    "$python" -m scripts.benchmarking.flow_rate --precision "$precision"
  done
}

# Trains, is killed after the first checkpoint, and goes on to the end.
train_twice() {  # FOLDER EXPERIMENT OPTION...
  local folder="$output/$1" experiment="$2"; shift 2
  rm -rf "$folder"
  set -- "$experiment" "$@" --workdir "$folder"
  "$python" -m experiments.train "$@" > "$output/killed.log" 2>&1 &
  local process=$!
  until ls "$folder/checkpoints" 2> /dev/null | grep -qxE '[0-9]+'; do
    kill -0 "$process" 2> /dev/null || { cat "$output/killed.log"; return 1; }
    sleep 0.2
  done
  kill -9 "$process" 2> /dev/null || true
  wait "$process" 2> /dev/null || true
  echo "killed with checkpoints $(ls "$folder/checkpoints" | tr '\n' ' ')"
  "$python" -m experiments.train "$@"
  "$python" -m experiments.evaluate "$folder"
}

training() {
  local steps=(--train.checkpoint-every 100)
  if [[ -n "$dry" ]]; then
    train_twice digits digits --mini --train.steps 20 \
      --train.checkpoint-every 5 --train.schedule.warmup-steps 2
    return
  fi
  train_twice digits digits "${steps[@]}"
  train_twice imagenet imagenet --mini "${steps[@]}"
}

[[ $# -gt 0 ]] || { sed -n '2,16s/^# \{0,1\}//p' "$0"; exit 2; }
[[ "$*" != all ]] || set -- paths forward gradient flow training
for part in "$@"; do
  case "$part" in
    paths|forward|gradient|flow|training) ;;
    *) echo "no part $part; expected paths, forward, gradient, flow, training" \
      "or all" >&2; exit 2 ;;
  esac
done
for part in "$@"; do
  echo "== $part =="
  started=$SECONDS
  "$part"
  echo "== $part: $((SECONDS - started)) s =="
done
