#!/usr/bin/python3
"""The whole command beside numpy, scipy, scikit-image and PyTorch, which follow nnU-Net's specification with whole arrays.

    whole_peer.py        ROUAGE_PROGRAM names the program; leaves with 77 when a peer is not installed

Two channels (CT and z-score inside the mask), two folds, regions that overlap, mirroring over three axes, a transposed plan, a crop, an inner
hole, anisotropic spacing, checkpoints of torch imported without Python. Random weights, so margins are small: voxels whose best answer is
within 0.01 of the threshold may differ; no other may.
"""
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import nibabel as nib
    import numpy as np
    import torch
    from scipy import ndimage
    from skimage.transform import resize
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "infer" / "checkpoint"))
sys.dont_write_bytecode = True
import make_checkpoint  # noqa: E402

ROUAGE = os.environ.get("ROUAGE_PROGRAM", str(HERE.parents[2] / "build" / "release" / "rouage"))
FOLDS, PATCH, CLASSES = 2, [16, 24, 16], 3
FORWARD, BACKWARD = [1, 0, 2], [1, 0, 2]
SPACING_PLAN = [2.0, 2.5, 1.5]  # transposed order
REGION_ORDER = [1, 2, 3]


def image(generator):
    """int16 [channel][z][y][x] with a zero frame of uneven width and an inner hole of zeros."""
    data = np.zeros((2, 22, 40, 34), np.int16)
    body = (slice(None), slice(2, 20), slice(5, 36), slice(3, 30))
    noise = generator.normal(100, 60, data[body].shape)
    smooth = ndimage.gaussian_filter(generator.normal(0, 900, data[body].shape), (0, 2, 3, 3))
    data[body] = np.round(noise + smooth).astype(np.int16)
    data[body][data[body] == 0] = 1
    data[:, 8:12, 15:20, 12:18] = 0
    return data


def normalised(channels, inside, plans):
    ct = plans["foreground_intensity_properties_per_channel"]["0"]
    first = np.clip(channels[0], np.float32(ct["percentile_00_5"]), np.float32(ct["percentile_99_5"]))
    first = (first - np.float32(ct["mean"])) / np.float32(max(ct["std"], 1e-8))
    second = channels[1].copy()
    values = second[inside]
    second[inside] = (values - values.mean()) / max(values.std(), np.float32(1e-8))
    return np.stack([first, second]).astype(np.float32)


def resized(array, shape, order):
    if list(array.shape[1:]) == list(shape):
        return array
    return np.stack([resize(c.astype(np.float64), shape, order, mode="edge", anti_aliasing=False) for c in array]).astype(array.dtype)


def gaussian():
    point = np.zeros(PATCH)
    point[tuple(p // 2 for p in PATCH)] = 1
    weights = ndimage.gaussian_filter(point, [p / 8 for p in PATCH], 0, mode="constant", cval=0)
    weights = (weights / (weights.max() / 10)).astype(np.float16)
    weights[weights == 0] = weights[weights != 0].min()
    return weights


def starts(size, patch):
    n = int(np.ceil((size - patch) / (patch * 0.5))) + 1
    return [int(round((size - patch) / (n - 1) * i)) for i in range(n)] if n > 1 else [0]


def predicted(net, data):
    """float16 logits of one fold, with padding and mirroring."""
    pad = [max(0, p - s) for p, s in zip(PATCH, data.shape[1:])]
    low = [d // 2 for d in pad]
    padded = np.pad(data, [(0, 0)] + [(a, d - a) for a, d in zip(low, pad)])
    weights = gaussian()
    logits = np.zeros((CLASSES, *padded.shape[1:]), np.float16)
    count = np.zeros(padded.shape[1:], np.float16)
    for at in itertools.product(*[starts(s, p) for s, p in zip(padded.shape[1:], PATCH)]):
        window = tuple(slice(a, a + p) for a, p in zip(at, PATCH))
        x = torch.from_numpy(padded[(slice(None), *window)].copy())[None]
        flips = [f for n in (1, 2, 3) for f in itertools.combinations((2, 3, 4), n)]
        with torch.no_grad():
            out = net(x)
            for flip in flips:
                out = out + torch.flip(net(torch.flip(x, flip)), flip)
            out = (out / (len(flips) + 1))[0].numpy()
        logits[(slice(None), *window)] = (logits[(slice(None), *window)].astype(np.float32) + out * weights.astype(np.float32)).astype(np.float16)
        count[window] = (count[window].astype(np.float32) + weights.astype(np.float32)).astype(np.float16)
    logits = (logits.astype(np.float32) / count.astype(np.float32)).astype(np.float16)
    return logits[(slice(None), *[slice(a, a + s) for a, s in zip(low, data.shape[1:])])]


def reference(data, spacing, nets, plans):
    """Labels [z][y][x], and each voxel's distance of the nearest output from its threshold."""
    channels = data.astype(np.float32).transpose([0] + [a + 1 for a in FORWARD])
    spacing = [spacing[a] for a in FORWARD]
    mask = ndimage.binary_fill_holes((channels != 0).any(0))
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))
    cropped = normalised(channels[(slice(None), *box)], mask[box], plans)
    shape = [int(round(old / new * n)) for old, new, n in zip(spacing, SPACING_PLAN, cropped.shape[1:])]
    net_input = resized(cropped, shape, 3)
    total = None
    for net in nets:
        one = predicted(net, net_input)
        total = one if total is None else (total + one).astype(np.float16)
    total = (total / np.float16(len(nets))).astype(np.float16)
    full = resized(total, cropped.shape[1:], 1)
    labels = np.zeros(channels.shape[1:], np.uint8)
    probability = 1 / (1 + np.exp(-full.astype(np.float32)))
    inside = np.zeros(full.shape[1:], np.uint8)
    for value, p in zip(REGION_ORDER, probability):
        inside[p > 0.5] = value
    labels[box] = inside
    margin = np.full(channels.shape[1:], np.inf)
    margin[box] = np.abs(full.astype(np.float64)).min(0)
    return labels.transpose(BACKWARD), margin.transpose(BACKWARD)


def build(folder):
    net = {"residual": False, "d": 3, "channels": 2, "classes": CLASSES, "features": [4, 8], "kernels": [[3, 3, 3], [3, 3, 3]],
           "strides": [[1, 1, 1], [2, 2, 2]], "blocks": [1, 1], "decoder": [1], "bias": True}
    rule = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    keys = {"spacing": SPACING_PLAN, "normalization_schemes": ["CTNormalization", "ZScoreNormalization"], "use_mask_for_norm": [False, True],
            "preprocessor_name": "DefaultPreprocessor"}
    for what, order in (("data", 3), ("seg", 1), ("probabilities", 1)):
        keys[f"resampling_fn_{what}"] = "resample_data_or_seg_to_shape"
        keys[f"resampling_fn_{what}_kwargs"] = {**rule, "order": order, "is_seg": what == "seg"}
    foreground = {"mean": 90.5, "std": 75.25, "percentile_00_5": -60.0, "percentile_99_5": 400.0, "min": -500.0, "max": 900.0, "median": 88.0}
    own = {"patch_size": PATCH, **keys, "architecture": make_checkpoint.architecture(net)}
    plans = {"dataset_name": "Dataset998_Whole", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO", "transpose_forward": FORWARD, "transpose_backward": BACKWARD,
             "foreground_intensity_properties_per_channel": {"0": foreground, "1": foreground}, "configurations": {"3d_fullres": own}}
    dataset = {"channel_names": {"0": "CT", "1": "PET"}, "file_ending": ".nii.gz", "regions_class_order": REGION_ORDER,
               "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "centre": 3}}
    case = {"name": "trained", "configuration": "3d_fullres", "net": net, "patch": PATCH, "folds": list(range(FOLDS)), "mirroring": [0, 1, 2],
            "plans": plans, "dataset": dataset}
    make_checkpoint.make(case, folder)
    nets = []
    for fold in range(FOLDS):
        module = make_checkpoint.UNet(net)
        held = torch.load(folder / f"fold_{fold}" / "checkpoint_final.pth", map_location="cpu")
        module.load_state_dict(held["network_weights"])
        nets.append(module.eval())
    return nets, plans


def run(*arguments):
    return subprocess.run([ROUAGE, *map(str, arguments)], check=True, stdout=subprocess.PIPE).stdout


def main():
    torch.set_num_threads(1)
    generator = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        nets, plans = build(folder / "trained")
        data, spacing = image(generator), [3.0, 1.6, 1.4]  # z, y, x
        affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])
        for c in range(2):
            nib.save(nib.Nifti1Image(data[c].transpose(2, 1, 0), affine), folder / f"c{c}.nii.gz")
        run("model", "import", "nnunet", folder / "trained", "--out", folder / "package")
        expected, margin = reference(data, spacing, nets, plans)
        # float32 sums move the reference's own float16 roundings near the corners (specification, 6.9): a wider margin there.
        failed = False
        for precision, tolerance in (("exact", 0.01), ("f32", 0.05)):
            out = folder / f"{precision}.nii.gz"
            answer = json.loads(run("segment", folder / "c0.nii.gz", folder / "c1.nii.gz", "--model", folder / "package", "--out", out,
                                    "--precision", precision, "--json"))
            found = np.asarray(nib.load(out).dataobj).transpose(2, 1, 0)
            differ = found != expected
            clear = differ & (margin > tolerance)
            print(f"{precision}: {differ.sum()} of {differ.size} voxels differ, {clear.sum()} of them by more than {tolerance}; "
                  f"labels {np.bincount(expected.ravel()).tolist()}, engine {answer['engine']}")
            failed |= bool(clear.any()) or bool(differ.mean() > 1e-3)
        if len(np.unique(expected)) < 3:
            print("the case is too simple to say anything")
            failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
