"""The network: a small residual net without max-pooling, linear head on global average pooling (GAP).

image float32 [N,1,S,S] -> features float32 [N,C,ceil(S/16),ceil(S/16)] (after the last ReLU) -> logits [N,K].
Only conv, batch norm, ReLU, addition and average pooling, so that the guided gradient can be written with forward
operators (guided.py) and a class activation map  sum_c head_weight[k,c] * features[c]  is exact.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    """relu(bn(conv3x3(relu(bn(conv3x3(x))))) + shortcut(x)); shortcut: average pooling, 1x1 conv, bn where shapes change."""

    def __init__(self, c_in: int, c_out: int, stride: int):
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(c_out)
        nn.init.constant_(self.norm2.weight, 0.2)
        self.project = nn.Conv2d(c_in, c_out, 1, bias=False) if stride != 1 or c_in != c_out else None
        self.norm3 = nn.BatchNorm2d(c_out) if self.project is not None else None

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.project is not None:
            x = self.norm3(self.project(F.avg_pool2d(x, 2) if self.stride == 2 else x))
        return F.relu(y + x)


class ChestNet(nn.Module):
    """stem: channels of the first 5x5 stride-2 conv; widths and blocks: per stage (each halves the resolution)."""

    def __init__(self, outputs: int, stem: int = 24, widths=(40, 80, 160), blocks=(2, 2, 3), dropout: float = 0.2,
                 pretext: int = 2):
        super().__init__()
        self.shape = dict(outputs=outputs, stem=stem, widths=list(widths), blocks=list(blocks))
        self.stem = nn.Conv2d(1, stem, 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(stem)
        body, c = [], stem
        for width, count in zip(widths, blocks):
            for j in range(count):
                body.append(Block(c, width, 2 if j == 0 else 1))
                c = width
        self.body = nn.ModuleList(body)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(c, outputs)
        self.pretext = nn.Linear(c, pretext)        # Kermany: pneumonia, viral (pretraining only)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def features(self, image):
        x = F.relu(self.stem_norm(self.stem(image)))
        for block in self.body:
            x = block(x)
        return x

    def pooled(self, image):
        return self.dropout(self.features(image).mean((2, 3)))

    def forward(self, image):
        return self.head(self.pooled(image))


class Average:
    """Exponential moving average of parameters and buffers; decay rises from 0 to `decay` over the first steps."""

    def __init__(self, net: nn.Module, decay: float):
        self.decay, self.steps = decay, 0
        self.state = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module):
        self.steps += 1
        d = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for k, v in net.state_dict().items():
            if v.dtype.is_floating_point:
                self.state[k].mul_(d).add_(v.detach(), alpha=1 - d)
            else:
                self.state[k].copy_(v)
