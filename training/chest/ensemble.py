"""The shipped ensemble: batch norms folded into convolutions, weights rounded to fp16, nets side by side.

features = concatenation of the nets' last maps [N, sum C, h, w]; head_weight = [W_1 | ... | W_M] / M, head_bias = mean b,
so logits (the mean of the nets' logits) are one linear head on GAP(features) and class activation maps stay exact.
"""
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

from net import ChestNet


def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d):
    """conv + eval-mode batch norm -> (weight rounded to fp16 but held in fp32, bias fp32)."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = conv.weight * scale[:, None, None, None]
    return weight.half().float(), norm.bias - norm.running_mean * scale


class GuidedRelu(torch.autograd.Function):
    """ReLU whose backward passes only positive gradients at positive activations (guided backpropagation)."""

    @staticmethod
    def forward(ctx, x):
        y = x.clamp_min(0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g.clamp_min(0) * (y > 0)


class Folded(nn.Module):
    """One net after folding. `layers`: list of dicts, first the stem, then blocks; tensors are plain attributes."""

    def __init__(self, net: ChestNet):
        super().__init__()
        with torch.no_grad():
            self.stem = fold(net.stem, net.stem_norm)
            self.blocks = []
            for b in net.body:
                project = fold(b.project, b.norm3) if b.project is not None else None
                self.blocks.append(dict(stride=b.stride, conv1=fold(b.conv1, b.norm1), conv2=fold(b.conv2, b.norm2), project=project))

    def features(self, x, relu=F.relu):
        x = relu(F.conv2d(x, *self.stem, stride=2, padding=2))
        for b in self.blocks:
            y = relu(F.conv2d(x, *b["conv1"], stride=b["stride"], padding=1))
            y = F.conv2d(y, *b["conv2"], padding=1)
            if b["project"] is not None:
                x = F.conv2d(F.avg_pool2d(x, 2) if b["stride"] == 2 else x, *b["project"])
            x = relu(y + x)
        return x


class Ensemble(nn.Module):
    """image [N,1,S,S] -> (features [N,C,S/16,S/16], logits [N,K])."""

    def __init__(self, nets):
        super().__init__()
        self.members = nn.ModuleList([Folded(n) for n in nets])
        m = len(nets)
        self.head_weight = torch.cat([n.head.weight.detach() for n in nets], 1) / m
        self.head_bias = torch.stack([n.head.bias.detach() for n in nets]).mean(0)

    def forward(self, image, relu=F.relu):
        features = torch.cat([m.features(image, relu) for m in self.members], 1)
        return features, features.mean((2, 3)) @ self.head_weight.T + self.head_bias

    def guided_gradient(self, image, target):
        """Guided backpropagation of (target . logits), target [1,K], by PyTorch's autograd -> [1,1,S,S]."""
        image = image.clone().requires_grad_(True)
        _, logits = self.forward(image, GuidedRelu.apply)
        return torch.autograd.grad((logits * target).sum(), image)[0]


def load_net(path: Path) -> ChestNet:
    """A checkpoint of train.py -> its averaged network in evaluation mode."""
    c = torch.load(path, map_location="cpu")
    net = ChestNet(**c["shape"])
    net.load_state_dict(c["average"])
    return net.eval()


def load_ensemble(paths) -> Ensemble:
    return Ensemble([load_net(p) for p in paths]).eval()
