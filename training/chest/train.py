"""Trains one network (one fold), resumable, with fixed seeds.

    python3 train.py --fold 0 --out build/train/fold0.pt --init build/train/pretrained.pt --phases 96:20,128:20,160:10
    python3 train.py --pretrain --out build/train/pretrained.pt --phases 96:15,128:10

A phase is SIZE:EPOCHS. The checkpoint (network, average, optimiser, epoch, random state) is written every epoch.
"""
import argparse
import copy
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from augment import augment, insert_opacities, standardise
from data import (AGE, FINDINGS, NEVER, NIH, REMARKABLE, SEX, VIEW, OUTPUTS, CACHE_SIZE, cached, folds_of, read_manifest,
                  shrink_cache, soften_by_neighbours, targets_of)
from densenet import DenseNet121
from net import Average, ChestNet
from stats import auroc

WORK = Path(os.environ.get("ROUAGE_TRAIN", Path(__file__).resolve().parents[2] / "build" / "train"))


def output_weights() -> torch.Tensor:
    w = torch.ones(len(OUTPUTS))
    w[REMARKABLE], w[VIEW], w[SEX], w[AGE] = 3.0, 1.0, 1.5, 5.0
    return w


def sample_weights(rows, target, train, balance: bool) -> np.ndarray:
    """float32 [N,K]. remarkable: within each source (and view, shrunk) both classes weigh the same, so that knowing the
    source or view does not help; rare findings: positives weigh sqrt(negatives/positives); effusion films 0.5."""
    w = np.ones_like(target)
    src = np.array([r["from"] + (r["view"][:2] if r["from"] == "muhammedtalo" else "") for r in rows])
    if balance:
        for s in set(src[train]):
            cell = train & (src == s)
            y = target[:, REMARKABLE]
            n = [(cell & (y == c)).sum() + 5 for c in (0, 1)]
            for c in (0, 1):
                w[cell & (y == c), REMARKABLE] = min(3.0, 0.5 * sum(n) / n[c])
    for k in range(len(FINDINGS)):
        y = target[train, k]
        w[target[:, k] == 1, k] = np.sqrt((y == 0).sum() / max(1, (y == 1).sum()))
    w[np.array([r["from"] == "effusion" for r in rows])] *= 0.5
    return w.astype(np.float32)


def masked_loss(logits, target, weight, per_output, smoothing=0.04):
    """Mean over the known entries of each output, summed over outputs; BCE with label smoothing, age: smooth L1."""
    known = torch.isfinite(target).float() * weight
    t = torch.nan_to_num(target)
    bce = F.binary_cross_entropy_with_logits(logits, t * (1 - 2 * smoothing) + smoothing, reduction="none")
    age = F.smooth_l1_loss(logits[:, AGE], t[:, AGE], reduction="none", beta=0.25)
    loss = torch.cat([bce[:, :AGE], age[:, None]], 1) * known
    return (loss.sum(0) / len(logits) * per_output).sum()


def summary(logits, target, rows) -> str:
    src = np.array([r["from"] for r in rows])
    within = [auroc(target[src == s, REMARKABLE], logits[src == s, REMARKABLE]) for s in NIH]
    sharp = src != "nih64"

    def mean_findings(m):
        return np.mean([auroc(target[m, k], logits[m, k]) for k in range(len(FINDINGS)) if target[m, k].sum() >= 8])
    mae = np.abs(logits[:, AGE] - target[:, AGE]) * 20
    return (f"rem {within[0]:.3f} {within[1]:.3f} mean {np.mean(within[:2]):.3f} | find512 {mean_findings(sharp):.3f} all {mean_findings(src != ''):.3f}"
            f" | age {mae[sharp].mean():.2f} all {mae.mean():.2f} | view {auroc(target[:, VIEW], logits[:, VIEW]):.3f} sex {auroc(target[:, SEX], logits[:, SEX]):.3f}")


def mates(group):
    """bool [B] -> index [B]: each film's partner for mixing, the next one of the same group (so that known targets stay known)."""
    mate = torch.arange(len(group))
    for g in (True, False):
        members = torch.nonzero(group == g).flatten()
        mate[members] = members.roll(1)
    return mate


def make_net(description: str, dropout: float):
    """STEM/WIDTHS/BLOCKS of a ChestNet, or densenet121."""
    if description == "densenet121":
        return DenseNet121(len(OUTPUTS), dropout)
    stem, widths, blocks = description.split("/")
    return ChestNet(len(OUTPUTS), int(stem), [int(v) for v in widths.split(",")], [int(v) for v in blocks.split(",")], dropout)


def with_opacities(films, target, rng, probability):
    """Inserts synthetic opacities and says so in the targets; `remarkable` and Infiltration are then not known."""
    eligible = (target[:, FINDINGS.index("Nodule")] == 0) & (target[:, FINDINGS.index("Mass")] == 0)
    films, made = insert_opacities(films, eligible, rng, probability)
    target = target.clone()
    target[made == 1, FINDINGS.index("Nodule")] = 1
    target[made == 2, FINDINGS.index("Mass")] = 1
    for k in (REMARKABLE, FINDINGS.index("Infiltration")):
        target[made > 0, k] = float("nan")
    return films, target


@torch.no_grad()
def predict(net, inputs, device, batch=64) -> np.ndarray:
    """inputs float32 [N,S,S] -> logits float32 [N,K], in fp32."""
    net.eval()
    out = [net(torch.as_tensor(np.array(inputs[i:i + batch]))[:, None].float().to(device)).float().cpu() for i in range(0, len(inputs), batch)]
    return torch.cat(out).numpy()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--fold", type=int, default=0, help="fold left out; 9: none (refit on all folds, never the calibration split)")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--init", type=Path)
    p.add_argument("--keep-head", action="store_true", help="take the head from --init too (refit of a fold's net on all folds)")
    p.add_argument("--pretrain", action="store_true")
    p.add_argument("--phases", default="96:20,128:20,160:10")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--decay", type=float, default=0.05)
    p.add_argument("--ema", type=float, default=0.997)
    p.add_argument("--strength", type=float, default=1.0)
    p.add_argument("--border", type=float, default=0.15)
    p.add_argument("--opacities", type=float, default=0.0, help="probability of a synthetic nodule or mass in a film without either")
    p.add_argument("--no-balance", action="store_true")
    p.add_argument("--mixup", type=float, default=0.0)
    p.add_argument("--soft", action="store_true", help="training labels softened by the same patient's neighbouring visits")
    p.add_argument("--no-effusion", action="store_true")
    p.add_argument("--net", default="24/40,80,160/2,2,3")
    p.add_argument("--dropout", type=float, default=0.2)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--resume", action="store_true")
    p.add_argument("--judge-every", type=int, default=5, help="epochs between out-of-fold summaries (never used to choose)")
    p.add_argument("--stop-after", type=int, default=0, help="end after this epoch of the schedule; 0: run it to its end")
    a = p.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(a.seed + 100 * a.fold)
    rng = torch.Generator().manual_seed(a.seed + 100 * a.fold)
    rows, films = read_manifest(), None
    target, fold = targets_of(rows), folds_of(rows)
    films = cached(rows, WORK, CACHE_SIZE, exact=False)
    src = np.array([r["from"] for r in rows])
    if a.pretrain:
        train = np.isin(src, ["kermany", "effusion"])
        target[src == "kermany"] = np.nan
    else:
        train = (fold >= 0) & (fold != a.fold)
        train |= (src == "effusion") & (not a.no_effusion)
    pretext = np.full((len(rows), 2), np.nan, np.float32)
    for i in np.flatnonzero(src == "kermany"):
        pretext[i, 0] = "Pneumonia" in rows[i]["labels"]
        pretext[i, 1] = "Viral" in rows[i]["labels"] if pretext[i, 0] else np.nan
    weight = sample_weights(rows, target, train, not a.no_balance)
    held = np.flatnonzero((fold == a.fold) if not a.pretrain else (src == "none"))
    index = np.flatnonzero(train)

    net = make_net(a.net, a.dropout)
    if a.init:
        state = torch.load(a.init, map_location="cpu")["average"]
        net.load_state_dict({k: (net.state_dict()[k] if k.startswith("head") and not a.keep_head else v) for k, v in state.items()})
    net = net.to(device).to(memory_format=torch.channels_last)
    average = Average(net, a.ema)
    wd, plain = [q for q in net.parameters() if q.ndim > 1], [q for q in net.parameters() if q.ndim <= 1]
    optimiser = torch.optim.AdamW([dict(params=wd, weight_decay=a.decay), dict(params=plain, weight_decay=0.0)], lr=a.lr)
    phases = [tuple(int(v) for v in ph.split(":")) for ph in a.phases.split(",")]
    epochs, steps = sum(e for _, e in phases), len(index) // a.batch
    start = 0
    if a.resume and a.out.exists():
        c = torch.load(a.out, map_location="cpu")
        net.load_state_dict(c["net"]); optimiser.load_state_dict(c["optimiser"]); rng.set_state(c["rng"])
        average.state, average.steps, start = c["average"], c["average_steps"], c["epoch"]
    learnt = soften_by_neighbours(rows, target) if a.soft else target
    targets, weights, pretexts, per_output = (torch.as_tensor(v) for v in (learnt, weight, pretext, output_weights()))
    is_effusion = torch.as_tensor(src == "effusion")
    size_now, pool = None, None
    for epoch in range(start, epochs):
        began, cpu = time.time(), time.process_time()
        size = next(s for k, (s, _) in enumerate(phases) if epoch < sum(e for _, e in phases[:k + 1]))
        if size != size_now:
            size_now, pool = size, shrink_cache(films, int(size * 1.25) if size * 1.25 < CACHE_SIZE else CACHE_SIZE)
        order, total = index[torch.randperm(len(index), generator=rng).numpy()], 0.0
        net.train()
        for step in range(steps):
            done = (epoch * steps + step) / (epochs * steps)
            lr = a.lr * min(1.0, done / 0.05 + 0.02) * (0.5 + 0.5 * np.cos(np.pi * done)) + 1e-5
            for g in optimiser.param_groups:
                g["lr"] = lr
            pick = torch.as_tensor(order[step * a.batch:(step + 1) * a.batch])
            t, w = targets[pick], weights[pick]
            chosen, t = with_opacities(pool[pick], t, rng, a.opacities)
            x = augment(chosen, size, rng, a.strength, a.border).to(device).contiguous(memory_format=torch.channels_last)
            if a.mixup > 0:
                lam = float(np.random.RandomState(int(torch.randint(1 << 30, (1,), generator=rng))).beta(a.mixup, a.mixup))
                mate = mates(is_effusion[pick])
                x, t, w = lam * x + (1 - lam) * x[mate], lam * t + (1 - lam) * t[mate], lam * w + (1 - lam) * w[mate]
            with torch.autocast(device.type, dtype=torch.bfloat16):
                pooled = net.pooled(x)
            logits = net.head(pooled.float())
            loss = masked_loss(logits, t.to(device), w.to(device), per_output.to(device))
            if a.pretrain:
                pt = pretexts[pick].to(device)
                known = torch.isfinite(pt).float()
                loss = loss + 3 * (F.binary_cross_entropy_with_logits(net.pretext(pooled.float()), torch.nan_to_num(pt), reduction="none") * known).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            average.update(net)
            total += float(loss)
        last = epoch + 1 == epochs
        line = f"{a.out.stem} epoch {epoch + 1}/{epochs} size {size} loss {total / steps:.3f} wall {time.time() - began:.0f}s cpu {time.process_time() - cpu:.0f}s"
        if len(held) and (last or (epoch + 1) % a.judge_every == 0):
            judge = copy.deepcopy(net)
            judge.load_state_dict(average.state)
            inputs = cached(rows, WORK, size, exact=True)[held] if last else standardise(shrink_cache(films[held], size)[:, None].float())[:, 0].numpy()
            logits = predict(judge, inputs, device)
            line += " | " + summary(logits, target[held], [rows[i] for i in held])
            if last:
                np.savez(a.out.with_suffix(".oof.npz"), index=held, logits=logits, size=size)
        print(line, flush=True)
        temporary = a.out.with_suffix(".tmp")
        torch.save(dict(net=net.state_dict(), average=average.state, average_steps=average.steps, optimiser=optimiser.state_dict(),
                        epoch=epoch + 1, rng=rng.get_state(), shape=net.shape, size=size, arguments=json.dumps(vars(a), default=str)), temporary)
        os.replace(temporary, a.out)
        if epoch + 1 == a.stop_after:
            break


if __name__ == "__main__":
    main()
