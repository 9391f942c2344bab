#!/usr/bin/python3
"""Writes the small nets of the tests beside this file, and expected.json with what they answer (computed by NumPy).

Run with Debian's python3-onnx and python3-numpy: ./make_nets.py. Same output on every run (fixed seeds).

tiny.onnx        image [N,1,16,16] -> features [N,4,4,4], logits [N,3], head_weight [3,4], head_bias [3]; like rouage-chest
tiny_half.onnx   the same with fp16 input, weights and outputs
tiny_guided.onnx image, target [1,3] -> guided_gradient [1,1,16,16] of tiny.onnx
tiny_outside.onnx tiny.onnx with the head's weights in tiny_weights.bin
no_number.onnx   logits = log of a negative number
scale_*.onnx     image [N,1,224,224] -> [N,18]: random convolutions, normalised by statistics of synthetic films on one
                 pixel scale (as batch normalisation does), head fitted to 18 properties of those films
"""
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
F, H = TensorProto.FLOAT, TensorProto.FLOAT16


def save(name, nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, name, inputs, outputs, [numpy_helper.from_array(v, k) for k, v in constants.items()])
    model = helper.make_model(graph, producer_name="rouage tests", opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())
    return model


def info(name, shape, kind=F):
    return helper.make_tensor_value_info(name, kind, shape)


def tiny_weights():
    rng = np.random.default_rng(3)
    r = lambda *s: rng.normal(0, 0.5, s).astype(np.float16).astype(np.float32)  # noqa: E731  exact in fp16
    return {"w": r(4, 1, 4, 4), "b": r(4), "head_w": r(3, 4), "head_b": r(3)}


def tiny(name, kind, constants):
    cast = {k: v.astype(np.float16 if kind == H else np.float32) for k, v in constants.items()}
    node = helper.make_node
    nodes = [node("Conv", ["image", "w", "b"], ["c"], kernel_shape=[4, 4], strides=[4, 4]), node("Relu", ["c"], ["features"]),
             node("GlobalAveragePool", ["features"], ["p"]), node("Flatten", ["p"], ["f"], axis=1),
             node("Gemm", ["f", "head_w", "head_b"], ["logits"], transB=1), node("Identity", ["head_w"], ["head_weight"]),
             node("Identity", ["head_b"], ["head_bias"])]
    return save(name, nodes, [info("image", ["N", 1, 16, 16], kind)],
                [info("features", ["N", 4, 4, 4], kind), info("logits", ["N", 3], kind), info("head_weight", [3, 4], kind),
                 info("head_bias", [3], kind)], cast)


def tiny_guided(c):
    node = helper.make_node
    nodes = [node("Conv", ["image", "w", "b"], ["c"], kernel_shape=[4, 4], strides=[4, 4]), node("Relu", ["c"], ["a"]),
             node("MatMul", ["target", "head_mean"], ["s"]), node("Reshape", ["s", "shape"], ["slope"]),
             node("Relu", ["slope"], ["positive"]), node("Sign", ["a"], ["on"]), node("Mul", ["positive", "on"], ["g"]),
             node("ConvTranspose", ["g", "w"], ["guided_gradient"], kernel_shape=[4, 4], strides=[4, 4])]
    save("tiny_guided", nodes, [info("image", [1, 1, 16, 16]), info("target", [1, 3])], [info("guided_gradient", [1, 1, 16, 16])],
         {"w": c["w"], "b": c["b"], "head_mean": c["head_w"] / np.float32(16), "shape": np.array([1, 4, 1, 1], np.int64)})


def tiny_outside(model):
    raw = b""
    for t in model.graph.initializer:
        if t.name == "head_w":
            raw = t.raw_data
            t.ClearField("raw_data")
            t.data_location = TensorProto.EXTERNAL
            for k, v in (("location", "tiny_weights.bin"), ("offset", "0"), ("length", str(len(raw)))):
                t.external_data.add(key=k, value=v)
    (HERE / "tiny_weights.bin").write_bytes(raw)
    (HERE / "tiny_outside.onnx").write_bytes(model.SerializeToString())


def expected(c):
    """What tiny.onnx answers to p(y,x) = sin(0.7 x + 0.2 y) + 0.1 y, by plain loops."""
    y, x = np.mgrid[0:16, 0:16].astype(np.float64)
    p = (np.sin(0.7 * x + 0.2 * y) + 0.1 * y).astype(np.float32).astype(np.float64)
    patches = p.reshape(4, 4, 4, 4).transpose(0, 2, 1, 3)  # [cell y, cell x, y, x]
    features = np.maximum(np.einsum("ijyx,cyx->cij", patches, c["w"][:, 0]) + c["b"][:, None, None], 0)
    logits = c["head_w"] @ features.mean((1, 2)) + c["head_b"]
    guided = []
    for k in range(3):
        g = np.maximum(c["head_w"][k] / 16, 0)[:, None, None] * (features > 0)
        guided.append(np.einsum("cij,cyx->ijyx", g, c["w"][:, 0]).transpose(0, 2, 1, 3).reshape(16, 16))
    return {"features": features.ravel().tolist(), "logits": logits.tolist(), "guided": [g.ravel().tolist() for g in guided]}


def synthetic_films(rng, n):
    """[n, 56, 56] in 0..1 and their 18 properties."""
    y, x = np.mgrid[-1:1:56j, -1:1:56j]
    films, properties = [], []
    for _ in range(n):
        u = rng.uniform(0, 1, 18)
        p = np.full((56, 56), 0.45 + 0.3 * u[0])
        blob = lambda cx, cy, a, b: 1 / (1 + np.exp((np.hypot((x - cx) / a, (y - cy) / b) - 1) * 9))  # noqa: E731
        p -= (0.25 + 0.2 * u[1]) * (blob(-0.45, -0.1 + 0.2 * u[2], 0.25 + 0.1 * u[3], 0.6 + 0.15 * u[4])
                                    + blob(0.45, -0.1 + 0.2 * u[5], 0.25 + 0.1 * u[6], 0.6 + 0.15 * u[7]))
        p += 0.3 * blob(0.1, 0.3, 0.2 + 0.25 * u[8], 0.3) + 0.3 * u[9] * blob(0, 1.1, 1.2, 0.3 + 0.3 * u[10])
        p += 0.3 * u[11] * blob(-0.8 + 1.6 * u[12], -0.6 + 1.2 * u[13], 0.1 + 0.15 * u[14], 0.15)
        p += 0.06 * u[15] * np.sin((15 + 15 * u[16]) * y) + rng.normal(0, 0.005 + 0.03 * u[17], p.shape)
        films.append(np.clip(p, 0, 1))
        properties.append(u)
    return np.array(films), np.array(properties)


def conv2(x, w):
    """[n,c,h,w] by [o,c,3,3], stride 2, padding 1."""
    n, c, h, _ = x.shape
    p = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.zeros((n, w.shape[0], h // 2, h // 2))
    for i in range(3):
        for j in range(3):
            out += np.einsum("nchw,oc->nohw", p[:, :, i:i + h:2, j:j + h:2], w[:, :, i, j])
    return out


def scale_net(name, transform, seed):
    rng = np.random.default_rng(seed)
    films, properties = synthetic_films(np.random.default_rng(5), 300)
    x = transform(films)[:, None]
    nodes, constants, at = [helper.make_node("AveragePool", ["input"], ["t0"], kernel_shape=[4, 4], strides=[4, 4])], {}, "t0"
    for k, (ci, co) in enumerate(((1, 8), (8, 12), (12, 16))):
        w = rng.normal(0, 1 / np.sqrt(9 * ci), (co, ci, 3, 3))
        x = conv2(x, w)
        mean, sd = x.mean((0, 2, 3)), x.std((0, 2, 3)) + 1e-12
        beta = rng.normal(0, 0.3, co)
        x = np.maximum((x - mean[:, None, None]) / sd[:, None, None] + beta[:, None, None], 0)
        constants[f"w{k}"], constants[f"b{k}"] = (w / sd[:, None, None, None]).astype(np.float32), (beta - mean / sd).astype(np.float32)
        nodes += [helper.make_node("Conv", [at, f"w{k}", f"b{k}"], [f"c{k}"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
                  helper.make_node("Relu", [f"c{k}"], [f"r{k}"])]
        at = f"r{k}"
    pooled = x.mean((2, 3))
    a = np.concatenate([pooled, np.ones((len(pooled), 1))], 1)
    target = 4 * (properties - 0.5)  # logits with a standard deviation of about 1.2 where the property can be seen
    solution = np.linalg.solve(a.T @ a + 1e-2 * np.eye(a.shape[1]), a.T @ target)
    constants["head_w"], constants["head_b"] = solution[:-1].T.astype(np.float32), solution[-1].astype(np.float32)
    nodes += [helper.make_node("GlobalAveragePool", [at], ["p"]), helper.make_node("Flatten", ["p"], ["f"], axis=1),
              helper.make_node("Gemm", ["f", "head_w", "head_b"], ["output"], transB=1)]
    save(name, nodes, [info("input", ["N", 1, 224, 224])], [info("output", ["N", 18])], constants)


def main():
    c = tiny_weights()
    model = tiny("tiny", F, c)
    tiny("tiny_half", H, c)
    tiny_guided(c)
    tiny_outside(model)
    save("no_number", [helper.make_node("Flatten", ["image"], ["f"], axis=1), helper.make_node("ReduceMean", ["f"], ["m"], axes=[1]),
                       helper.make_node("Sub", ["m", "large"], ["n"]), helper.make_node("Log", ["n"], ["logits"])],
         [info("image", ["N", 1, 16, 16])], [info("logits", ["N", 1])], {"large": np.array(1e6, np.float32)})
    standard = lambda f: (f - f.mean((1, 2), keepdims=True)) / f.std((1, 2), keepdims=True)  # noqa: E731
    for i, (name, transform) in enumerate((("scale_1024", lambda f: (2 * f - 1) * 1024), ("scale_255", lambda f: 255 * f),
                                           ("scale_unit", lambda f: f), ("scale_standard", standard))):
        scale_net(name, transform, 11 + i)
    (HERE / "expected.json").write_text(json.dumps({"tiny": expected(c)}, indent=0) + "\n")


if __name__ == "__main__":
    main()
