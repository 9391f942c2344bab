#!/usr/bin/env python3
"""The peer of nnunet_stages: the library calls that nnU-Net v2 makes, as shared/reference/nnunet-inference.md names them.
nnunet_python_stages.py preprocess|export10 [repeats]: one stage a process; prints one JSON object."""
import json
import resource
import sys
import time

import numpy as np
from scipy.ndimage import binary_fill_holes
from skimage.transform import resize


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def preprocess(ct):
    mask = binary_fill_holes(ct[0] != 0)
    where = [np.where(mask.any(tuple(b for b in range(3) if b != a)))[0][[0, -1]] for a in range(3)]
    data = ct[(slice(None),) + tuple(slice(f, l + 1) for f, l in where)].copy()
    np.clip(data, -900, 1200, out=data)
    data -= 100
    data /= max(300, 1e-8)
    out = np.empty((1, 200, 256, 256), np.float32)
    out[0] = resize(data[0].astype(float), (200, 256, 256), 3, mode="edge", anti_aliasing=False)
    return out


def export(logits):
    out = np.empty((logits.shape[0], 200, 512, 512), np.float16)
    for c in range(logits.shape[0]):
        out[c] = resize(logits[c].astype(float), (200, 512, 512), 1, mode="edge", anti_aliasing=False)
    return torch_argmax(out)


def torch_argmax(values):
    import torch
    return torch.from_numpy(values).float().argmax(0).to(torch.uint8).numpy()


def main():
    stage, repeats = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    if stage == "preprocess":
        k, j, i = np.ogrid[:200, :512, :512]
        data = (np.round(1500 * np.sin(0.05 * (i + k)) * np.cos(0.03 * j)) + 0.5).astype(np.float32)[None]
        work = preprocess
    elif stage == "export10":
        wave = (10 * np.sin(0.0123 * np.arange(4096))).astype(np.float16)
        data = np.stack([[[wave[(r * 37 + c * 611 + z * 5) % 3840:][:256] for r in range(256)] for z in range(200)]
                         for c in range(10)])
        work = export
    else:
        sys.exit(__doc__)
    before, seconds = peak_mib(), []
    for _ in range(repeats):
        start = time.monotonic()
        result = work(data)
        seconds.append(time.monotonic() - start)
    print(json.dumps({"stage": stage, "median_s": sorted(seconds)[len(seconds) // 2], "all_s": seconds,
                      "peak_mib": peak_mib(), "before_mib": before, "checksum": float(result.flat[result.size // 2])}))


main()
