#!/usr/bin/env bash
#SBATCH --job-name=perceiver
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
#
# Trains on Slurm; submitted once, it goes on after every time limit:
#
#   sbatch scripts/launch/slurm.sh EXPERIMENT --workdir /shared/run [OPTION...]
#
# Three minutes before the limit Slurm signals this script, which has all tasks
# save and puts the job back into the queue. Options of sbatch replace the lines
# above. With the tasks per node above, each has one GPU; `sbatch
# --ntasks-per-node=1` gives one task per node all of its GPUs. Leave out
# --gpus-per-task: JAX counts the GPUs of the node.
#
# Tried with commands that stand in for Slurm's; never run on a real cluster.
set -uo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
python="${PYTHON:-.venv/bin/python}"

# JAX would give a task that is alone on its node one GPU.
gpus="${SLURM_GPUS_ON_NODE:-1}"
if [[ "${SLURM_NTASKS_PER_NODE:-1}" == 1 ]] && ((gpus > 1)); then
  JAX_LOCAL_DEVICE_IDS="$(seq -s, 0 $((gpus - 1)))"
  export JAX_LOCAL_DEVICE_IDS
fi

warned=""
trap 'warned=yes; scancel --signal=USR1 "$SLURM_JOB_ID"' USR1

srun --gpu-bind=none --kill-on-bad-exit=0 \
  "$python" -m experiments.train "$@" --distributed.detect &
tasks=$!
# A signal ends `wait`, not the tasks.
while kill -0 "$tasks" 2>/dev/null; do
  wait "$tasks"
done
wait "$tasks"
code=$?

if [[ -n "$warned" ]] && ((code == 143)); then
  echo "slurm.sh: saved; job $SLURM_JOB_ID goes back into the queue"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
