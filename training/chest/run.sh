#!/bin/sh
# Reproduces models/rouage-chest from /work/shared/data/cxr: pretraining, five folds, figures, export.
# Usage: run.sh [WORK]      (WORK keeps the film cache, checkpoints and out-of-fold predictions; default /work/train)
# Each step can be stopped and started again (--resume). One thread a process: OpenMP barriers suffer under load.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
WORK=${1:-/work/train}
PYTHON=${PYTHON:-/usr/bin/python3}
VERSION=${VERSION:-1.0.0}
NET=32/64,128,192/2,2,2
PHASES=${PHASES:-96:36,128:14}
SIZE=${SIZE:-128}
export ROUAGE_TRAIN="$WORK" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-SKYLAKEX}"
mkdir -p "$WORK"
"$PYTHON" "$HERE/train.py" --pretrain --net $NET --out "$WORK/pretrained.pt" --phases 96:14,128:8 --stop-after 19 --resume
for fold in 0 1 2 3 4; do
    "$PYTHON" "$HERE/train.py" --fold $fold --net $NET --init "$WORK/pretrained.pt" --batch 16 --strength 0.7 \
        --phases "$PHASES" --out "$WORK/fold$fold.pt" --resume
done
"$PYTHON" "$HERE/evaluate.py" --nets "$WORK"/fold?.pt --size "$SIZE" --out "$WORK/figures"
"$PYTHON" "$HERE/export.py" --nets "$WORK"/fold?.pt --figures "$WORK/figures" --plan "$WORK/plan.json" \
    --folder "$HERE/../../models/rouage-chest" --version "$VERSION"
