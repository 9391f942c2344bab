"""Train one GateNet without the patients of one fold: train.py --fold 0 [--epochs 14]. Resumes from WORK/fold0.ckpt.

Sampling per epoch: every NIH film of the other folds and every effusion/ film once, 60 % of the Kermany films,
one outlier (CT, MR, synthetic) to five films. Weights that count are the exponential moving average.
"""
import argparse
import copy
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import batches
import outliers
from films import TRAIN_SOURCES, WORK, cached_films, load_films
from net import LABELS, GateNet

FILMS_A_BATCH, OUTLIERS_A_BATCH = 64, 14
EMA = 0.99
# mirrored is the hardest label and is defined for most pictures; the crops come next.
LABEL_WEIGHT = torch.tensor([1.5 if n == "mirrored" else 1.2 if n.startswith("cropped") else 1.0 for n in LABELS])


def child_labels(films) -> np.ndarray:
    """float [n]: 1 under 6 years, 0 from 18 and for effusion/ (ages not stated, nearly all adults), NaN between."""
    return np.array([0.0 if f.age is None else np.nan if 6 <= f.age < 18 else float(f.age < 6) for f in films])


def epoch_order(rng, films, keep) -> np.ndarray:
    """Indices of one epoch, shuffled."""
    take = [i for i in keep if films[i].source != "kermany" or rng.random() < 0.6]
    return rng.permutation(take)


def loss_of(logits, y, w):
    """Masked mean of the binary cross-entropies over defined labels. logits, y, w [N,10]."""
    w = w * LABEL_WEIGHT
    return (F.binary_cross_entropy_with_logits(logits, y, reduction="none") * w).sum() / w.sum()


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--fold", type=int, required=True, help="patients of this fold are not seen; -1: all are seen")
    a.add_argument("--epochs", type=int, default=14)
    a.add_argument("--rate", type=float, default=3e-3)
    a.add_argument("--name", default="fold", help="checkpoint WORK/<name><fold>.ckpt")
    a.add_argument("--init", default=None, help="start from the averaged weights of this checkpoint in WORK (same fold)")
    a.add_argument("--teacher", default=None, help="checkpoint in WORK whose net says whether a crop costs lung (second stage)")
    a.add_argument("--seed", type=int, default=17)
    a = a.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(100 + a.fold)
    films = load_films(TRAIN_SOURCES)
    cache, child = cached_films(films), child_labels(films)
    others, _ = outliers.bank()
    keep = [i for i, f in enumerate(films) if a.fold < 0 or f.fold != a.fold]
    net = GateNet().to(memory_format=torch.channels_last)
    if a.init:
        net.load_state_dict(torch.load(WORK / a.init)["ema"])
    ema = copy.deepcopy(net)
    teacher = None
    if a.teacher:
        teacher = GateNet().to(memory_format=torch.channels_last)
        teacher.load_state_dict(torch.load(WORK / a.teacher)["ema"])
        teacher.eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=a.rate, weight_decay=0.02)
    steps = sum(0.6 if films[i].source == "kermany" else 1 for i in keep) / FILMS_A_BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, a.rate, total_steps=int(steps * a.epochs * 1.05) + 50,
                                                   pct_start=0.15)
    path, first = WORK / f"{a.name}{a.fold}.ckpt", 0
    if path.exists():
        s = torch.load(path)
        net.load_state_dict(s["net"]), ema.load_state_dict(s["ema"]), optimiser.load_state_dict(s["optimiser"])
        schedule.load_state_dict(s["schedule"])
        first = s["epoch"]
    for epoch in range(first, a.epochs):
        rng = np.random.default_rng([a.seed, a.fold + 1, epoch])
        order, start, total, made = epoch_order(rng, films, keep), time.time(), 0.0, 0.0
        net.train()
        for at in range(0, len(order) - FILMS_A_BATCH + 1, FILMS_A_BATCH):
            i = order[at:at + FILMS_A_BATCH]
            t = time.time()
            x, y, w = batches.batch(rng, cache[i], child[i], others[rng.integers(0, len(others), OUTLIERS_A_BATCH)],
                                    teacher)
            made += time.time() - t
            loss = loss_of(net(x.contiguous(memory_format=torch.channels_last)), y, w)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
            with torch.no_grad():
                decay = min(EMA, (1 + schedule.last_epoch) / (10 + schedule.last_epoch))
                for e, p in zip(ema.state_dict().values(), net.state_dict().values()):
                    e.lerp_(p, 1 - decay) if e.is_floating_point() else e.copy_(p)
        print(f"fold {a.fold} epoch {epoch + 1}/{a.epochs} loss {total / max(1, len(order) // FILMS_A_BATCH):.4f} "
              f"{time.time() - start:.0f} s ({made:.0f} s making cases)", flush=True)
        if (epoch + 1) % 5 == 0 or epoch + 1 == a.epochs:
            torch.save({"net": net.state_dict(), "ema": ema.state_dict(), "optimiser": optimiser.state_dict(),
                        "schedule": schedule.state_dict(), "epoch": epoch + 1}, str(path) + ".tmp")
            os.replace(str(path) + ".tmp", path)


if __name__ == "__main__":
    main()
