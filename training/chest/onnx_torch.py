"""Runs the ONNX graphs of onnx_graphs.py with PyTorch operators, to check them where no ONNX Runtime is at hand."""
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper


def _attributes(node) -> dict:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def _apply(node, x):
    a, kind = _attributes(node), node.op_type
    if kind == "Conv":
        return F.conv2d(x[0], x[1], x[2], a["strides"], a["pads"][:2])
    if kind == "ConvTranspose":
        return F.conv_transpose2d(x[0], x[1], None, a["strides"], a["pads"][:2], a["output_padding"])
    if kind == "AveragePool":
        return F.avg_pool2d(x[0], a["kernel_shape"], a["strides"])
    if kind == "Resize":
        return F.interpolate(x[0], scale_factor=tuple(float(v) for v in x[2][2:]), mode="nearest")
    if kind == "Gemm":
        return x[0] @ x[1].T + x[2]
    if kind == "Split":
        return torch.chunk(x[0], len(node.output), a["axis"])
    simple = {
        "Cast": lambda: x[0].float(), "Identity": lambda: x[0], "Relu": lambda: x[0].clamp_min(0), "Sign": lambda: x[0].sign(),
        "Mul": lambda: x[0] * x[1], "Add": lambda: x[0] + x[1], "Sum": lambda: sum(x), "MatMul": lambda: x[0] @ x[1],
        "Concat": lambda: torch.cat(x, a["axis"]), "GlobalAveragePool": lambda: x[0].mean((2, 3), keepdim=True),
        "Flatten": lambda: x[0].flatten(a["axis"]), "Reshape": lambda: x[0].reshape([int(v) for v in x[1]]),
    }
    return simple[kind]()


@torch.no_grad()
def run(path: Path, inputs: dict) -> dict:
    """inputs: name -> torch tensor; returns the graph outputs by name."""
    model = onnx.load(str(path))
    values = {t.name: torch.from_numpy(np.array(numpy_helper.to_array(t))) for t in model.graph.initializer}
    values.update(inputs)
    for node in model.graph.node:
        out = _apply(node, [values[n] if n else None for n in node.input])
        for name, value in zip(node.output, out if isinstance(out, (tuple, list)) else [out]):
            values[name] = value
    return {o.name: values[o.name] for o in model.graph.output}
