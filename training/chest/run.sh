#!/bin/sh
# Makes models/rouage-chest from ../shared/data/cxr: pretraining, five folds, refit on all folds, figures, export.
# Usage: run.sh [WORK]      (WORK keeps the film cache, checkpoints and out-of-fold predictions; default build/train)
# Every step can be stopped and started again. Several run.sh on one WORK share the jobs: each is claimed by a folder
# WORK/claims/NAME (remove it to run that job again). One thread a process: OpenMP barriers suffer under load.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
WORK=${1:-$(cd "$(dirname "$0")/../.." && pwd)/build/train}
PYTHON=${PYTHON:-/usr/bin/python3}
VERSION=${VERSION:-1.1.0}
SIZE=160
RECIPE="--net 32/64,128,192/2,2,2 --batch 16 --strength 0.7 --opacities 0.15 --resume"
export ROUAGE_TRAIN="$WORK" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-SKYLAKEX}"
# glibc gives every large tensor back to the kernel; under a hypervisor that doubled the time of an epoch (32 s to 15 s).
export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=134217728
mkdir -p "$WORK/claims"

job() {  # job NAME ARGUMENTS...: trains WORK/NAME.pt unless another run.sh does or has done so
    name=$1
    shift
    mkdir "$WORK/claims/$name" 2>/dev/null || return 0
    "$PYTHON" "$HERE/train.py" "$@" --out "$WORK/$name.pt"
    touch "$WORK/claims/$name/done"
}
wait_for() { while [ ! -e "$WORK/claims/$1/done" ]; do sleep 5; done; }

job pretrained --pretrain --net 32/64,128,192/2,2,2 --phases 96:14,128:8 --stop-after 19 --resume
wait_for pretrained
for fold in 0 1 2 3 4; do
    job fold$fold $RECIPE --fold $fold --init "$WORK/pretrained.pt" --phases 96:12,128:8,160:6
done
for fold in 0 1 2 3 4; do      # 9: no fold left out; the calibration split stays out
    wait_for fold$fold
    job all$fold $RECIPE --fold 9 --init "$WORK/fold$fold.pt" --keep-head --seed 2$fold --lr 7e-4 --phases 160:3
done
for fold in 0 1 2 3 4; do wait_for all$fold; done

[ -f "$WORK/eligible.csv" ] || "$PYTHON" "$HERE/eligible.py" --rouage "$HERE/../../build/release/rouage" --out "$WORK/eligible.csv"
"$PYTHON" "$HERE/evaluate.py" --nets "$WORK"/fold?.pt --ship "$WORK"/all?.pt --size $SIZE --eligible "$WORK/eligible.csv" --out "$WORK/figures"
[ -f "$WORK/plan.json" ] || echo '{}' > "$WORK/plan.json"
"$PYTHON" "$HERE/export.py" --nets "$WORK"/all?.pt --figures "$WORK/figures" --plan "$WORK/plan.json" \
    --folder "$HERE/../../models/rouage-chest" --version "$VERSION"
