#!/bin/sh
# Reproduces models/rouage-chest from ../shared/data/cxr: pretraining, five folds, refit on all folds, figures, export.
# Usage: run.sh [WORK]      (WORK keeps the film cache, checkpoints and out-of-fold predictions; default build/train)
# Each step can be stopped and started again (--resume). One thread a process: OpenMP barriers suffer under load.
# Version 1.0.0 ran folds 0 and 2 with 14 last epochs, 3 and 4 with 8, and changed fold 1 from 14 to 8 on the way (see the card).
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
WORK=${1:-$(cd "$(dirname "$0")/../.." && pwd)/build/train}
PYTHON=${PYTHON:-/usr/bin/python3}
VERSION=${VERSION:-1.0.0}
COMMON="--net 32/64,128,192/2,2,2"
SIZE=128
export ROUAGE_TRAIN="$WORK" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-SKYLAKEX}"
mkdir -p "$WORK"
"$PYTHON" "$HERE/train.py" $COMMON --pretrain --out "$WORK/pretrained.pt" --phases 96:14,128:8 --stop-after 19 --resume
for fold in 0 1 2 3 4; do
    case $fold in 0|2) last=14 ;; *) last=8 ;; esac
    "$PYTHON" "$HERE/train.py" $COMMON --fold $fold --init "$WORK/pretrained.pt" --batch 16 --strength 0.7 \
        --phases "96:16,128:$last" --out "$WORK/fold$fold.pt" --resume
done
for fold in 0 1 2 3 4; do      # 9: no fold left out; the calibration split stays out
    "$PYTHON" "$HERE/train.py" $COMMON --fold 9 --init "$WORK/fold$fold.pt" --keep-head --seed 2$fold --lr 1e-3 --batch 16 --strength 0.7 \
        --phases 128:4 --out "$WORK/all$fold.pt" --resume
done
"$PYTHON" "$HERE/evaluate.py" --nets "$WORK"/fold?.pt --ship "$WORK"/all?.pt --size $SIZE --out "$WORK/figures"
[ -f "$WORK/plan.json" ] || echo '{}' > "$WORK/plan.json"
"$PYTHON" "$HERE/export.py" --nets "$WORK"/all?.pt --figures "$WORK/figures" --plan "$WORK/plan.json" \
    --folder "$HERE/../../models/rouage-chest" --version "$VERSION"
