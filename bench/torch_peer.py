#!/usr/bin/env python3
"""The same net through Debian's PyTorch and through Rouage's ONNX Runtime, interleaved in one run, one thread each.

Random weights: the time of a net does not depend on their values. Needs /usr/bin/python3 with python3-torch and a built
build/release/film_bench.   bench/torch_peer.py
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_CORETYPE", "SKYLAKEX")
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "training" / "chest"))


def torch_seconds(nets, film, torch):
    with torch.no_grad():
        best = []
        for _ in range(10):
            started = time.perf_counter()
            for net in nets:
                net(film)
            best.append(time.perf_counter() - started)
    return sorted(best)[len(best) // 2]


def rouage_seconds():
    out = subprocess.run([str(ROOT / "build" / "release" / "film_bench"), "--benchmark_filter=^net$", "--benchmark_format=json"],
                         capture_output=True, text=True, check=True).stdout
    return json.loads(out)["benchmarks"][0]["real_time"] / 1e3


def main():
    import torch  # noqa: PLC0415: only this script needs it
    from net import ChestNet  # noqa: PLC0415

    torch.set_num_threads(1)
    nets = [ChestNet(17, stem=32, widths=(64, 128, 192), blocks=(2, 2, 2)).eval() for _ in range(5)]
    size = int(re.search(r"^input: .*size: (\d+)", (ROOT / "models/rouage-chest/model.yaml").read_text(), re.MULTILINE).group(1))
    film = torch.randn(1, 1, size, size)
    rounds = [(torch_seconds(nets, film, torch), rouage_seconds()) for _ in range(3)]
    peer = sorted(r[0] for r in rounds)[1]
    ours = sorted(r[1] for r in rounds)[1]
    print(json.dumps({"torch_ms": round(peer * 1e3, 1), "rouage_ms": round(ours * 1e3, 1), "ratio": round(peer / ours, 2)}))


if __name__ == "__main__":
    main()
