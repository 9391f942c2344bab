"""The way back: weights of a golden model.onnx as a torch checkpoint in nnU-Net's form, and its first patch.

golden_checkpoint.py GOLDEN_CASE OUT"""
import json
import shutil
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

golden, out = Path(sys.argv[1]), Path(sys.argv[2])
(out / "fold_0").mkdir(parents=True)
for name in ("plans.json", "dataset.json", "first_patch_logits.npy"):
    shutil.copy(golden / name, out / name)
weights = OrderedDict((t.name, torch.from_numpy(numpy_helper.to_array(t).copy())) for t in onnx.load(golden / "model.onnx").graph.initializer)
plans, dataset = json.load(open(golden / "plans.json")), json.load(open(golden / "dataset.json"))
torch.save({"network_weights": weights, "trainer_name": "nnUNetTrainer", "inference_allowed_mirroring_axes": None,
            "init_args": {"plans": plans, "configuration": "3d_fullres", "fold": 0, "dataset_json": dataset}}, out / "fold_0" / "checkpoint_final.pth")

# The first window: padded to the patch (low side the smaller half), start 0 on every axis.
image = np.load(golden / "preprocessed.npy")
patch = plans["configurations"]["3d_fullres"]["patch_size"]
missing = [max(0, p - s) for p, s in zip(patch, image.shape[1:])]
image = np.pad(image, [(0, 0)] + [(m // 2, m - m // 2) for m in missing])
np.save(out / "first_patch.npy", image[None, :, :patch[0], :patch[1], :patch[2]].astype(np.float32))
logits = np.load(out / "first_patch_logits.npy").astype(np.float32)
np.save(out / "first_patch_logits.npy", np.ascontiguousarray(logits if logits.ndim == 5 else logits[None]))
