"""training/export_nnunet.py's own export on a net of ours, since nnU-Net itself is not installed here. export_peer.py OUT

A net that answers with two resolutions, as deep supervision does, in two folds."""
import json
import sys
from pathlib import Path

import numpy as np
import torch

here = Path(__file__).parent
sys.path[:0] = [str(here), str(here.parents[2] / "training")]
import export_nnunet  # noqa: E402
from torch_unets import UNet, randomise  # noqa: E402


class TwoResolutions(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        y = self.net(x)
        return [y, torch.nn.functional.avg_pool3d(y, 2)]


out = Path(sys.argv[1])
net = {"d": 3, "features": [4, 8], "kernels": [[1, 3, 3], [3, 3, 3]], "strides": [[1, 1, 1], [1, 2, 2]], "blocks": [1, 1], "decoder": [1],
       "bias": True, "channels": 2, "classes": 3}
patch = [4, 8, 8]
for fold in (0, 1):
    folder = out / f"fold_{fold}"
    folder.mkdir(parents=True)
    example, logits = export_nnunet.export_module(TwoResolutions(randomise(UNet(net), fold)), 2, patch, folder / "model.onnx")
    export_nnunet.check_with_runtime(folder / "model.onnx", example, logits)
    np.save(out / f"fold_{fold}.npy", logits.numpy())
np.save(out / "input.npy", example.numpy())
export_nnunet.write_inference(out / "inference.json", "3d_fullres", (0, 1, 2), "nnUNetTrainer")
(out / "plans.json").write_text(json.dumps({"dataset_name": "Dataset001_Peer", "configurations": {"3d_fullres": {"patch_size": patch}}}))
(out / "dataset.json").write_text(json.dumps({"channel_names": {"0": "CT", "1": "PET"}, "labels": {"background": 0, "a": 1, "b": 2}}))
assert export_nnunet.folds_of(out, None, "model.onnx") == ["0", "1"]
