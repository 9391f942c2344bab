#!/usr/bin/python3
"""PlainConvUNet (6 stages of 32..320, 1 -> 25 channels) on a 128^3 patch through Debian's PyTorch and through unet_engine,
interleaved in one run on two threads.   bench/unet_torch_peer.py [--rounds 3] [--patch 128]

Random weights: the time does not depend on their values. Torch runs in a process of its own each round (peak memory).
Torch computes by the BLAS that it finds, which is printed: with Debian's plain libblas3 instead of libopenblas0-pthread it is
several times slower, and the ratio says nothing.
Needs python3-torch and a built build/release/unet_engine.
"""
import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def torch_once(patch):
    import torch  # noqa: PLC0415: only the child needs it
    from torch import nn  # noqa: PLC0415

    torch.set_num_threads(2)
    features = [32, 64, 128, 256, 320, 320]

    def block(cin, cout, stride=1):
        return nn.Sequential(nn.Conv3d(cin, cout, 3, stride, 1), nn.InstanceNorm3d(cout, affine=True), nn.LeakyReLU(0.01, inplace=True))

    down, up, joined, cin = [], [], [], 1
    for stage, f in enumerate(features):
        down.append(nn.Sequential(block(cin, f, 2 if stage else 1), block(f, f)))
        cin = f
    for stage in range(4, -1, -1):
        f = features[stage]
        up.append(nn.ConvTranspose3d(features[stage + 1], f, 2, 2))
        joined.append(nn.Sequential(block(2 * f, f), block(f, f)))
    head = nn.Conv3d(32, 25, 1)
    for part in [*down, *up, *joined, head]:
        part.eval()

    def net(x):
        skips = []
        for stage in down:
            x = stage(x)
            skips.append(x)
        skips.pop()
        for grow, stage in zip(up, joined):
            x = stage(torch.cat((grow(x), skips.pop()), 1))
        return head(x)

    x = torch.randn(1, 1, patch, patch, patch)
    with torch.no_grad():
        net(x)
        started = time.perf_counter()
        net(x)
    seconds = time.perf_counter() - started
    blas = sorted({line.split()[-1] for line in pathlib.Path("/proc/self/maps").read_text().splitlines() if "blas" in line})
    print(json.dumps({"s": seconds, "blas": blas, "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--child", action="store_true")
    args = parser.parse_args()
    if args.child:
        torch_once(args.patch)
        return
    seen = {}
    for _ in range(args.rounds):
        ours = json.loads(subprocess.run([ROOT / "build/release/unet_engine", "--rounds", "1", "--patch", str(args.patch)],
                                         capture_output=True, text=True, check=True).stdout)
        for name in ("own_f32", "own_bf16", "onnxruntime_f32"):
            if name in ours:
                seen.setdefault(name, []).append((ours[name]["median_s"], ours[name]["peak_rss_mb"]))
        peer = json.loads(subprocess.run([sys.executable, __file__, "--child", "--patch", str(args.patch)], capture_output=True,
                                         text=True, check=True).stdout)
        print(f"torch uses {', '.join(peer['blas'])}", file=sys.stderr)
        seen.setdefault("torch_f32", []).append((peer["s"], peer["rss_mb"]))
    torch_s = statistics.median(s for s, _ in seen["torch_f32"])
    print(json.dumps({name: {"median_s": round(statistics.median(s for s, _ in v), 3), "all_s": [round(s, 3) for s, _ in v],
                             "times_torch": round(torch_s / statistics.median(s for s, _ in v), 2),
                             "peak_rss_mb": round(max(m for _, m in v))} for name, v in seen.items()}))


if __name__ == "__main__":
    main()
