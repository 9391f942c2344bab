"""Write model.onnx (opset 13) and golden.json of the package: export.py --checkpoints a0.ckpt[,...] --out DIR.

Weights are folded (batch norm into the convolutions) and stored as fp16 behind a Cast; the graph computes in fp32.
"""
import argparse
import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn.utils.fusion import fuse_conv_bn_eval

from films import WORK, film_to_input
from net import LABELS, SIZE, GateNet, ShippedGate
from sharpness import sharpness

GOLDEN_FORMULA = ("film(y,x) = 128 + 60*sin(x/23 + 0.4) * cos(y/31 - 0.7) + 40*sin((x + 2*y)/57) + 20*cos(x*y/9000), "
                  "float64, rows y = 0..299, columns x = 0..259; logits are those of film_to_input(film, size)")
SHARP_FORMULAS = {
    "fine": "film(y,x) = 128 + 70*sin(x/40)*cos(y/50) + 8*sin(x*0.4)*cos(y*0.3), float64, 600 rows, 500 columns",
    "smooth": "film(y,x) = 128 + 70*sin(x/40)*cos(y/50) + 8*sin(x*0.04)*cos(y*0.03), float64, 600 rows, 500 columns"}


def golden_film() -> np.ndarray:
    y, x = np.mgrid[0:300, 0:260].astype(np.float64)
    return 128 + 60 * np.sin(x / 23 + 0.4) * np.cos(y / 31 - 0.7) + 40 * np.sin((x + 2 * y) / 57) + 20 * np.cos(x * y / 9000)


def sharp_film(scale: float) -> np.ndarray:
    y, x = np.mgrid[0:600, 0:500].astype(np.float64)
    return 128 + 70 * np.sin(x / 40) * np.cos(y / 50) + 8 * np.sin(x * 0.4 * scale) * np.cos(y * 0.3 * scale)


def fuse(module: torch.nn.Module) -> None:
    """Fold each Conv2d + BatchNorm2d pair of every Sequential, in place (eval mode)."""
    for child in module.children():
        fuse(child)
    if isinstance(module, torch.nn.Sequential):
        for i in range(len(module) - 1):
            if isinstance(module[i], torch.nn.Conv2d) and isinstance(module[i + 1], torch.nn.BatchNorm2d):
                module[i] = fuse_conv_bn_eval(module[i], module[i + 1])
                module[i + 1] = torch.nn.Identity()


def load_gate(names, flip: bool) -> ShippedGate:
    """Checkpoint names under WORK -> the gate in eval mode, with its averaged weights rounded to fp16 after folding."""
    nets = []
    for name in names:
        net = GateNet()
        net.load_state_dict(torch.load(WORK / name, map_location="cpu")["ema"])
        net.eval()
        fuse(net)
        for p in net.parameters():
            p.data = p.data.half().float()
        nets.append(net)
    return ShippedGate(nets, flip).eval()


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store float initialisers of more than 64 elements as fp16, each behind a Cast to fp32. Exact: they are fp16 values."""
    casts = []
    for t in model.graph.initializer:
        a = numpy_helper.to_array(t)
        if a.dtype != np.float32 or a.size <= 64:
            continue
        name = t.name
        t.CopyFrom(numpy_helper.from_array(a.astype(np.float16), name + "_fp16"))
        casts.append(helper.make_node("Cast", [name + "_fp16"], [name], to=TensorProto.FLOAT, name="cast_" + name))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def onnx_bytes(gate: ShippedGate) -> bytes:
    """The gate as a checked ONNX model of opset 13, batch size free."""
    f = io.BytesIO()
    torch.onnx.export(gate, torch.zeros(2, 1, SIZE, SIZE), f, opset_version=13, input_names=["image"],
                      output_names=["logits"], dynamic_axes={"image": {0: "n"}, "logits": {0: "n"}})
    model = halve_weights(onnx.load_from_string(f.getvalue()))
    model.producer_name = "rouage-chest-gate"
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def write(path: Path, data: bytes) -> str:
    """Atomic write; returns the sha256."""
    tmp = path.with_name(path.name + ".tmp")
    tmp.write_bytes(data)
    os.replace(tmp, path)
    return hashlib.sha256(data).hexdigest()


def golden(gate: ShippedGate) -> dict:
    """Logits of the synthetic film, sharpness of two synthetic films."""
    image = film_to_input(golden_film().astype(np.float32), SIZE)
    with torch.no_grad():
        logits = gate(torch.from_numpy(image)[None, None])[0].double().numpy()
    return {"film": GOLDEN_FORMULA, "labels": list(LABELS), "logits": [round(float(v), 6) for v in logits], "logits_tolerance": 1e-3,
            "input_samples": {"row 0, columns 0..3": [float(v) for v in image[0, :4]], "row 64, column 64": float(image[64, 64])},
            "sharpness": [{"film": SHARP_FORMULAS["fine"], "value": sharpness(sharp_film(1.0))},
                          {"film": SHARP_FORMULAS["smooth"], "value": sharpness(sharp_film(0.1))}],
            "sharpness_tolerance": 1e-4}


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--checkpoints", required=True)
    a.add_argument("--no-flip", action="store_true")
    a.add_argument("--out", type=Path, required=True)
    a = a.parse_args()
    torch.set_num_threads(1)
    gate = load_gate(a.checkpoints.split(","), not a.no_flip)
    a.out.mkdir(parents=True, exist_ok=True)
    digest = write(a.out / "model.onnx", onnx_bytes(gate))
    write(a.out / "golden.json", (json.dumps(golden(gate), indent=1) + "\n").encode())
    print(digest, (a.out / "model.onnx").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
