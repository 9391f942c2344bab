#!/usr/bin/python3
"""Writes one U-Net with random weights as ONNX, the way torch exports nnU-Net's networks, or one broken on purpose.

  make_net.py OUT.onnx plain|residual|flat|odd [--features 32,64,128] [--channels 1] [--classes 5] [--patch 64,64,64]
      [--seed 1] [--half] [--round] [--external] [--typed] [--break WHAT]

plain     PlainConvUNet: two convolutions a stage, stride 2, transposed convolution, concatenation
residual  ResidualEncoderUNet: BasicBlockD with average pool and 1x1x1 convolution on the skip, one convolution a decoder stage
flat      a 2D PlainConvUNet
odd       every other operator and shape that the engine accepts, in one small graph
Needs Debian's python3-onnx and python3-numpy. The same arguments give the same bytes.
"""
import argparse
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper


class Net:
    def __init__(self, args):
        self.args = args
        self.rng = np.random.default_rng(args.seed)
        self.nodes, self.weights, self.count = [], [], 0
        self.axes = 2 if args.kind == "flat" else 3

    def weight(self, values):
        name = f"w{len(self.weights)}"
        if self.args.round:
            values = values.astype(np.float16)
        values = np.ascontiguousarray(values.astype(np.float16 if self.args.half else np.float32))
        if self.args.typed:
            kind = TensorProto.FLOAT16 if self.args.half else TensorProto.FLOAT
            data = values.view(np.uint16).ravel().tolist() if self.args.half else values.ravel().tolist()
            tensor = TensorProto(name=name, dims=values.shape, data_type=kind)
            (tensor.int32_data if self.args.half else tensor.float_data).extend(data)
        else:
            tensor = numpy_helper.from_array(values, name)
        self.weights.append(tensor)
        return name

    def node(self, op, inputs, **attributes):
        self.count += 1
        out = f"v{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"/{op.lower()}_{self.count}", **attributes))
        return out

    def conv(self, x, cin, cout, kernel=3, stride=1, bias=True, pad=None):
        k = [kernel] * self.axes if isinstance(kernel, int) else kernel
        s = [stride] * self.axes if isinstance(stride, int) else stride
        p = [(i - 1) // 2 for i in k] if pad is None else pad
        w = self.rng.normal(0, np.sqrt(2 / (cin * np.prod(k))), (cout, cin, *k))
        inputs = [x, self.weight(w)] + ([self.weight(self.rng.normal(0, 0.3, cout))] if bias else [])
        pads = p + p if len(p) == self.axes else p
        return self.node("Conv", inputs, kernel_shape=k, strides=s, pads=pads, dilations=[1] * self.axes, group=1)

    def norm(self, x, c):
        return self.node("InstanceNormalization", [x, self.weight(self.rng.normal(1, 0.2, c)), self.weight(self.rng.normal(0, 0.2, c))],
                         epsilon=1e-5)

    def act(self, x):
        return self.node("LeakyRelu", [x], alpha=0.01)

    def block(self, x, cin, cout, kernel=3, stride=1):
        return self.act(self.norm(self.conv(x, cin, cout, kernel, stride), cout))

    def up(self, x, cin, cout, stride):
        s = [stride] * self.axes if isinstance(stride, int) else stride
        w = self.rng.normal(0, np.sqrt(1 / cin), (cin, cout, *s))
        return self.node("ConvTranspose", [x, self.weight(w), self.weight(self.rng.normal(0, 0.1, cout))], kernel_shape=s, strides=s,
                         pads=[0] * (2 * self.axes), dilations=[1] * self.axes, group=1)


def plain(net, features, channels, classes):
    x, cin, skips = "input", channels, []
    for stage, f in enumerate(features):
        x = net.block(x, cin, f, 3, 1 if stage == 0 else 2)
        x = net.block(x, f, f)
        skips.append(x)
        cin = f
    for stage in range(len(features) - 2, -1, -1):
        f = features[stage]
        x = net.node("Concat", [net.up(x, features[stage + 1], f, 2), skips[stage]], axis=1)
        x = net.block(net.block(x, 2 * f, f), f, f)
    return net.conv(x, features[0], classes, 1)


def basic_block(net, x, cin, cout, stride):
    skip = x
    if stride != 1:
        skip = net.node("AveragePool", [skip], kernel_shape=[stride] * 3, strides=[stride] * 3, ceil_mode=0)
    if cin != cout:
        skip = net.norm(net.conv(skip, cin, cout, 1, bias=False), cout)
    y = net.block(x, cin, cout, 3, stride)
    y = net.norm(net.conv(y, cout, cout), cout)
    return net.act(net.node("Add", [y, skip]))


def residual(net, features, channels, classes):
    x, cin, skips = net.block("input", channels, features[0]), features[0], []
    for stage, f in enumerate(features):
        for i in range(1 + min(stage, 2)):
            x = basic_block(net, x, cin, f, 2 if stage and i == 0 else 1)
            cin = f
        skips.append(x)
    for stage in range(len(features) - 2, -1, -1):
        f = features[stage]
        x = net.node("Concat", [net.up(x, features[stage + 1], f, 2), skips[stage]], axis=1)
        x = net.block(x, 2 * f, f)
    return net.conv(x, features[0], classes, 1)


def odd(net, features, channels, classes):
    """Anisotropic kernels and strides, odd channel counts, asymmetric padding, three parts, sums and pools outside of blocks."""
    f = features[0]
    a = net.block("input", channels, f, [1, 3, 3])
    b = net.node("Relu", [net.conv(a, f, f, [3, 3, 3], 1, pad=[0, 1, 2, 2, 1, 0])])
    c = net.node("Add", [a, b])
    half = net.node("MaxPool", [c], kernel_shape=[1, 2, 2], strides=[1, 2, 2])
    third = net.node("AveragePool", [c], kernel_shape=[1, 2, 2], strides=[1, 2, 2])
    d = net.node("Identity", [net.node("Add", [half, third])])
    d = net.node("Dropout", [net.conv(d, f, 2 * f, [3, 1, 3])])
    up = net.up(d, 2 * f, f + 3, [1, 2, 2])
    x = net.node("Concat", [up, a, c], axis=1)
    x = net.norm(net.conv(x, 3 * f + 3, f), f)
    x = net.node("LeakyRelu", [net.node("Add", [x, net.norm(c, f)])], alpha=0.2)
    return net.node("Relu", [net.conv(x, f, classes, 3)])


def broken(model, what):
    graph = model.graph
    first = graph.node[0]
    if what == "cycle":
        first.input[0] = graph.node[4].output[0]
    elif what == "missing":
        graph.node[2].input[0] = "nowhere"
    elif what == "kernel":
        next(a for a in first.attribute if a.name == "kernel_shape").ints[0] = 1 << 40
    elif what == "stride":
        next(a for a in first.attribute if a.name == "strides").ints[0] = 1 << 40
    elif what == "pads":
        next(a for a in first.attribute if a.name == "pads").ints[0] = -(1 << 40)
    elif what == "dilation":
        next(a for a in first.attribute if a.name == "dilations").ints[0] = 2
    elif what == "short":
        graph.initializer[0].raw_data = graph.initializer[0].raw_data[:-4]
    elif what == "huge":
        graph.initializer[0].dims[0] = 1 << 50
    elif what == "overflow":
        del graph.initializer[0].dims[:]
        graph.initializer[0].dims.extend([1 << 32, 1 << 32, 3, 3, 3])
    elif what == "channels":
        graph.initializer[0].dims[0], graph.initializer[0].dims[1] = graph.initializer[0].dims[1], graph.initializer[0].dims[0]
    elif what == "operator":
        graph.node.insert(1, helper.make_node("Sigmoid", [first.output[0]], ["s"], name="/gate"))
    elif what == "twice":
        graph.node[3].output[0] = first.output[0]
    elif what == "joined_norm":
        joined = next(n for n in graph.node if n.op_type == "Concat")
        at = list(graph.node).index(joined)
        graph.node.insert(at + 1, helper.make_node("LeakyRelu", [joined.output[0]], ["j"], name="/joined"))
        graph.node[at + 2].input[0] = "j"
    elif what == "output":
        graph.output[0].name = "elsewhere"
    elif what == "two_outputs":
        graph.output.extend([helper.make_tensor_value_info(first.output[0], TensorProto.FLOAT, None)])
    else:
        raise SystemExit(f"unknown: {what}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("kind", choices=["plain", "residual", "flat", "odd"])
    parser.add_argument("--features", default="16,32,48")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--patch", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--round", action="store_true", help="the values of --half, stored as float32")
    parser.add_argument("--external", action="store_true")
    parser.add_argument("--typed", action="store_true")
    parser.add_argument("--break", dest="broken", default="")
    args = parser.parse_args()
    features = [int(f) for f in args.features.split(",")]
    net = Net(args)
    build = {"plain": plain, "flat": plain, "residual": residual, "odd": odd}[args.kind]
    last = build(net, features, args.channels, args.classes)
    net.nodes[-1].output[0] = "logits"
    assert last == f"v{net.count}"
    size = [int(p) for p in args.patch.split(",")] if args.patch else [f"s{i}" for i in range(net.axes)]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(net.nodes, "net", [info("input", TensorProto.FLOAT, ["n", args.channels, *size])],
                              [info("logits", TensorProto.FLOAT, ["n", args.classes, *size])], net.weights)
    model = helper.make_model(graph, producer_name="rouage tests", opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    if args.broken:
        broken(model, args.broken)
    if args.external:
        import onnx  # noqa: PLC0415
        onnx.save_model(model, str(args.out), save_as_external_data=True, all_tensors_to_one_file=True,
                        location=args.out.stem + ".bin", size_threshold=64)
    else:
        args.out.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
