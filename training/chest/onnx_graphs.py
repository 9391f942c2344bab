"""Writes model.onnx and guided.onnx by hand from an Ensemble; both share fp16 conv weights in weights.bin.

guided.onnx computes the guided-backpropagation gradient with forward operators only:
conv -> ConvTranspose with the same weight; ReLU -> relu(gradient) * sign(activation); addition -> both branches;
2x2 average pooling -> nearest enlarging / 4; global average pooling -> broadcast / (h w).
"""
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 13


class Graph:
    """Collects nodes and initialisers. Large weights go to the external file as fp16 and are cast to fp32 in the graph."""

    def __init__(self, prefix: str, store: "Weights"):
        self.nodes, self.initialisers, self.store, self.count, self.prefix = [], [], store, 0, prefix
        self.known = {}

    def op(self, kind: str, inputs, output: str = "", **attributes) -> str:
        self.count += 1
        output = output or f"{self.prefix}{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"{kind}_{self.count}", **attributes))
        return output

    def constant(self, name: str, value: np.ndarray) -> str:
        if name not in self.known:
            self.known[name] = name
            self.initialisers.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str, value: np.ndarray) -> str:
        """value float32, exactly representable in fp16 -> name of the fp32 tensor in the graph."""
        if name not in self.known:
            self.initialisers.append(self.store.tensor(name + "_h", value))
            self.known[name] = self.op("Cast", [name + "_h"], name, to=TensorProto.FLOAT)
        return self.known[name]

    def model(self, name: str, inputs, outputs) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.initialisers)
        model = helper.make_model(graph, producer_name="rouage training/chest", opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 8
        return model


class Weights:
    """The external file: every tensor once, at 64-byte alignment."""

    def __init__(self, file_name: str = "weights.bin"):
        self.file_name, self.bytes, self.where = file_name, bytearray(), {}

    def tensor(self, name: str, value: np.ndarray) -> TensorProto:
        raw = value.astype("<f2").tobytes()
        if name not in self.where:
            self.bytes.extend(b"\0" * (-len(self.bytes) % 64))
            self.where[name] = (len(self.bytes), len(raw))
            self.bytes.extend(raw)
        offset, length = self.where[name]
        t = TensorProto(name=name, data_type=TensorProto.FLOAT16, dims=list(value.shape), data_location=TensorProto.EXTERNAL)
        for key, v in (("location", self.file_name), ("offset", offset), ("length", length)):
            t.external_data.add(key=key, value=str(v))
        return t


def _conv(g: Graph, x, name, weight_bias, stride, pad):
    w, b = (t.detach().numpy() for t in weight_bias)
    return g.op("Conv", [x, g.weight(name, w), g.constant(name + "_b", b)], kernel_shape=w.shape[2:], strides=[stride] * 2, pads=[pad] * 4)


def _conv_back(g: Graph, grad, name, weight_bias, stride, pad):
    w = weight_bias[0].detach().numpy()
    return g.op("ConvTranspose", [grad, g.weight(name, w)], kernel_shape=w.shape[2:], strides=[stride] * 2, pads=[pad] * 4,
                output_padding=[stride - 1] * 2)


def _relu_back(g: Graph, grad, activation):
    return g.op("Mul", [g.op("Relu", [grad]), g.op("Sign", [activation])])


def forward(g: Graph, image: str, member, m: int):
    """Adds one net; returns (its last map, activations needed by `backward`)."""
    x = stem = g.op("Relu", [_conv(g, image, f"n{m}_stem", member.stem, 2, 2)])
    tape = []
    for k, b in enumerate(member.blocks):
        name = f"n{m}_b{k}"
        hidden = g.op("Relu", [_conv(g, x, name + "_1", b["conv1"], b["stride"], 1)])
        y = _conv(g, hidden, name + "_2", b["conv2"], 1, 1)
        if b["project"] is not None:
            if b["stride"] == 2:
                x = g.op("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
            x = _conv(g, x, name + "_p", b["project"], 1, 0)
        x = g.op("Relu", [g.op("Add", [y, x])])
        tape.append((name, b, hidden, x))
    return x, (stem, tape)


def backward(g: Graph, grad: str, member, m: int, saved) -> str:
    """Guided gradient of the image from the gradient of the last map (before its ReLU rule)."""
    stem, tape = saved
    for name, b, hidden, out in reversed(tape):
        grad = _relu_back(g, grad, out)
        inner = _relu_back(g, _conv_back(g, grad, name + "_2", b["conv2"], 1, 1), hidden)
        inner = _conv_back(g, inner, name + "_1", b["conv1"], b["stride"], 1)
        if b["project"] is not None:
            grad = _conv_back(g, grad, name + "_p", b["project"], 1, 0)
            if b["stride"] == 2:
                scales = g.constant("twice", np.array([1, 1, 2, 2], np.float32))
                grad = g.op("Resize", [grad, "", scales], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
                grad = g.op("Mul", [grad, g.constant("quarter", np.array(0.25, np.float32))])
        grad = g.op("Add", [inner, grad])
    return _conv_back(g, _relu_back(g, grad, stem), f"n{m}_stem", member.stem, 2, 2)


def model_graph(ensemble, size: int, store: Weights) -> onnx.ModelProto:
    g = Graph("t", store)
    k, c = ensemble.head_weight.shape
    maps = [forward(g, "image", member, m)[0] for m, member in enumerate(ensemble.members)]
    features = g.op("Concat", maps, "features", axis=1)
    weight = g.constant("head_w", ensemble.head_weight.numpy())
    bias = g.constant("head_b", ensemble.head_bias.numpy())
    pooled = g.op("Flatten", [g.op("GlobalAveragePool", [features])], axis=1)
    g.op("Gemm", [pooled, weight, bias], "logits", transB=1)
    g.op("Identity", [weight], "head_weight")
    g.op("Identity", [bias], "head_bias")
    f, info = TensorProto.FLOAT, helper.make_tensor_value_info
    return g.model("rouage-chest", [info("image", f, ["N", 1, size, size])],
                   [info("features", f, ["N", c, size // 16, size // 16]), info("logits", f, ["N", k]),
                    info("head_weight", f, [k, c]), info("head_bias", f, [k])])


def guided_graph(ensemble, size: int, store: Weights) -> onnx.ModelProto:
    g = Graph("t", store)
    k, c = ensemble.head_weight.shape
    cells, members = (size // 16) ** 2, len(ensemble.members)
    slope = g.op("MatMul", ["target", g.constant("head_w_mean", ensemble.head_weight.numpy() / np.float32(cells))])
    slope = g.op("Reshape", [slope, g.constant("map_shape", np.array([1, c, 1, 1], np.int64))])
    parts = [f"slope_{m}" for m in range(members)]
    if members > 1:
        g.nodes.append(helper.make_node("Split", [slope], parts, name="Split_slope", axis=1))
    else:
        parts = [slope]
    gradients = []
    for m, member in enumerate(ensemble.members):
        last, saved = forward(g, "image", member, m)
        shape = g.op("Mul", [g.op("Sign", [last]), g.constant("zero", np.array(0, np.float32))])
        gradients.append(backward(g, g.op("Add", [shape, parts[m]]), member, m, saved))
    g.op("Sum", gradients, "guided_gradient")
    f, info = TensorProto.FLOAT, helper.make_tensor_value_info
    return g.model("rouage-chest-guided", [info("image", f, [1, 1, size, size]), info("target", f, [1, k])],
                   [info("guided_gradient", f, [1, 1, size, size])])


def write(ensemble, size: int, folder: Path):
    """Writes model.onnx, guided.onnx and weights.bin into folder."""
    store = Weights()
    model, guided = model_graph(ensemble, size, store), guided_graph(ensemble, size, store)
    (folder / "weights.bin").write_bytes(bytes(store.bytes))
    for graph, name in ((model, "model.onnx"), (guided, "guided.onnx")):
        (folder / name).write_bytes(graph.SerializeToString())
        onnx.checker.check_model(str(folder / name))
