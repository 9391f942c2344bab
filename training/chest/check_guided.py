"""Checks model.onnx and guided.onnx against PyTorch (autograd with guided ReLU) and writes golden.json.

    python3 check_guided.py --nets build/train/fold?.pt --size 160 --folder models/rouage-chest
"""
import argparse
import json
from pathlib import Path

import numpy as np
import torch

from data import FINDINGS, OUTPUTS
from ensemble import load_ensemble, load_net
from onnx_torch import run
from preprocess import standardise

FORMULA = ("p(r,c) = sin(0.11*r + 0.5) * cos(0.07*c) + 0.3*sin(0.31*c + 0.2*r) + 0.002*r, r = row, c = column from 0, in float64; "
           "then standardised as in preprocess.py (population std, clip 4)")
TOLERANCE = 1e-4        # largest difference over largest absolute value


def synthetic(size: int) -> np.ndarray:
    """float32 [size,size]: the golden input."""
    r, c = np.meshgrid(np.arange(size, dtype=np.float64), np.arange(size, dtype=np.float64), indexing="ij")
    p = np.sin(0.11 * r + 0.5) * np.cos(0.07 * c) + 0.3 * np.sin(0.31 * c + 0.2 * r) + 0.002 * r
    return standardise(p)


def relative(a, b) -> float:
    return float((a - b).abs().max() / b.abs().max())


def samples(t: torch.Tensor, seed: int, count: int = 64):
    """Flat (row-major) indices and values; half of them among the largest values, so that zeros do not dominate."""
    flat = t.flatten().double()
    rng = np.random.RandomState(seed)
    index = np.concatenate([rng.choice(flat.abs().topk(max(count, len(flat) // 20)).indices.numpy(), count // 2, replace=False),
                            rng.choice(len(flat), count - count // 2, replace=False)])
    return [dict(index=int(i), value=float(flat[i])) for i in index]


def check(nets, size: int, folder: Path, fp32_tolerance: float = 1e-2) -> dict:
    """Raises where a graph differs; returns the measured differences."""
    torch.manual_seed(0)
    ensemble = load_ensemble(nets)
    image = torch.from_numpy(synthetic(size))[None, None]
    with torch.no_grad():
        features, logits = ensemble(image)
        plain = torch.stack([load_net(p)(image) for p in nets]).mean(0)
    out = run(folder / "model.onnx", {"image": image})
    report = dict(fp16_logits=float((plain - logits).abs().max()), logits=relative(out["logits"], logits), features=relative(out["features"], features))
    cam_head = features.mean((2, 3)) @ out["head_weight"].T + out["head_bias"]
    report["head"] = relative(cam_head, logits)
    golden = dict(format="rouage-golden/1", input=dict(formula=FORMULA, size=size, samples=samples(image, 1, 16)),
                  logits=[float(v) for v in logits[0]], outputs=OUTPUTS, features=dict(shape=list(features.shape), samples=samples(features, 2)), guided=[])
    for name in ("Effusion", "remarkable", "estimated_age"):
        target = torch.zeros(1, len(OUTPUTS))
        target[0, OUTPUTS.index(name)] = 1
        truth = ensemble.guided_gradient(image, target)
        got = run(folder / "guided.onnx", {"image": image, "target": target})["guided_gradient"]
        report[f"guided {name}"] = relative(got, truth)
        golden["guided"].append(dict(target=name, target_index=OUTPUTS.index(name), maximum=float(truth.abs().max()), samples=samples(truth, 3)))
    golden["tolerance"] = dict(logits_absolute=1e-3, features_relative_to_maximum=1e-4, guided_relative_to_maximum=1e-4)
    for key, value in report.items():
        limit = fp32_tolerance if key == "fp16_logits" else TOLERANCE
        if not value <= limit:
            raise SystemExit(f"{key}: difference {value:.2e} above {limit:.0e}")
    (folder / "golden.json").write_text(json.dumps(golden, indent=1))
    return report


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--nets", type=Path, nargs="+", required=True)
    p.add_argument("--size", type=int, required=True)
    p.add_argument("--folder", type=Path, required=True)
    a = p.parse_args()
    for key, value in check(a.nets, a.size, a.folder).items():
        print(f"{key}: {value:.2e}")
