#!/bin/sh
# Makes models/rouage-chest from ../shared/data/cxr: two pretrainings, five folds of two recipes, refits on all folds, figures, export.
# Usage: run.sh [WORK]      (WORK keeps the film cache, checkpoints and out-of-fold predictions; default build/train)
# Every step can be stopped and started again. One thread a process: OpenMP barriers suffer under load. Several run.sh on one WORK
# share the jobs (each job is claimed by a folder WORK/claims/NAME; remove it to run that job again).
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
WORK=${1:-$(cd "$(dirname "$0")/../.." && pwd)/build/train}
PYTHON=${PYTHON:-/usr/bin/python3}
VERSION=${VERSION:-1.1.0}
SIZE=160
# a: small net, no mixing; b: another trunk, mixed films, labels softened by neighbouring visits.
A="--net 32/64,128,192/2,2,2 --batch 16 --strength 0.7 --opacities 0.15 --resume"
B="--net 32/48,96,224/2,3,3 --batch 16 --strength 1.0 --mixup 0.3 --soft --dropout 0.4 --opacities 0.15 --seed 7 --resume"
export ROUAGE_TRAIN="$WORK" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-SKYLAKEX}"
mkdir -p "$WORK/claims"

job() {  # job NAME ARGUMENTS...: trains WORK/NAME.pt unless another run.sh does
    name=$1
    shift
    mkdir "$WORK/claims/$name" 2>/dev/null || return 0
    "$PYTHON" "$HERE/train.py" "$@" --out "$WORK/$name.pt"
    touch "$WORK/claims/$name/done"
}
wait_for() { while [ ! -e "$WORK/claims/$1/done" ]; do sleep 5; done; }

job pretrained_a --pretrain --net 32/64,128,192/2,2,2 --phases 96:14,128:8 --stop-after 19 --resume
job pretrained_b --pretrain --net 32/48,96,224/2,3,3 --seed 7 --phases 96:14,128:8 --stop-after 19 --resume
wait_for pretrained_a
wait_for pretrained_b
for fold in 0 1 2 3 4; do
    job a$fold $A --fold $fold --init "$WORK/pretrained_a.pt" --phases 96:12,128:8,160:6
    job b$fold $B --fold $fold --init "$WORK/pretrained_b.pt" --phases 96:13,128:6,160:2
done
for fold in 0 1 2 3 4; do wait_for a$fold; wait_for b$fold; done
# 9: no fold left out; the calibration split stays out.
for fold in 0 1 2 3 4; do
    job all_a$fold $A --fold 9 --init "$WORK/a$fold.pt" --keep-head --seed 2$fold --lr 7e-4 --phases 160:3
done
for fold in 0 1; do
    job all_b$fold $B --fold 9 --init "$WORK/b$fold.pt" --keep-head --seed 3$fold --lr 7e-4 --phases 160:3
done
for fold in 0 1 2 3 4; do wait_for all_a$fold; done
for fold in 0 1; do wait_for all_b$fold; done

[ -f "$WORK/eligible.csv" ] || "$PYTHON" "$HERE/eligible.py" --rouage "$HERE/../../build/release/rouage" --out "$WORK/eligible.csv"
"$PYTHON" "$HERE/evaluate.py" --nets "$WORK"/a?.pt "$WORK"/b?.pt --ship "$WORK"/all_??.pt --size $SIZE \
    --eligible "$WORK/eligible.csv" --out "$WORK/figures"
[ -f "$WORK/plan.json" ] || echo '{}' > "$WORK/plan.json"
"$PYTHON" "$HERE/export.py" --nets "$WORK"/all_??.pt --figures "$WORK/figures" --plan "$WORK/plan.json" \
    --folder "$HERE/../../models/rouage-chest" --version "$VERSION"
