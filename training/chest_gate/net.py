"""The gate's network: a small residual net with a position-keeping head, and the flip-symmetric ensemble that ships."""
import torch
from torch import nn

SIZE = 128
LABELS = ("mirrored", "rotated_90", "rotated_180", "rotated_270", "cropped_apex", "cropped_base",
          "two_films", "inverted", "not_chest", "child")
MIRRORED = LABELS.index("mirrored")
# Under a horizontal flip a film turned by 90 degrees looks like a flipped one turned by 270.
FLIP_ORDER = [LABELS.index({"rotated_90": "rotated_270", "rotated_270": "rotated_90"}.get(n, n)) for n in LABELS]


class Block(nn.Module):
    """Two 3x3 convolutions with a residual path. [N,c,h,w] -> [N,c,h,w]."""

    def __init__(self, c: int):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU(inplace=True),
                                  nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c))

    def forward(self, x):
        return torch.relu(x + self.body(x))


def down(ci: int, co: int) -> nn.Sequential:
    """[N,ci,h,w] -> [N,co,h/2,w/2]."""
    return nn.Sequential(nn.Conv2d(ci, co, 3, 2, 1, bias=False), nn.BatchNorm2d(co), nn.ReLU(inplace=True))


class GateNet(nn.Module):
    """image float32 [N,1,128,128] (standardised film) -> logits float32 [N,10] in the order of LABELS."""

    def __init__(self, dropout: float = 0.3):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 6, 4, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True),  # [N,32,32,32]
            down(32, 64), Block(64), down(64, 128), Block(128), down(128, 160))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(160 * 16, 96), nn.ReLU(inplace=True),
                                  nn.Dropout(dropout), nn.Linear(96, len(LABELS)))

    def forward(self, image):
        return self.head(self.features(image).contiguous())


class ShippedGate(nn.Module):
    """Mean logit of several GateNets over the picture and, if `flip`, its mirror image.

    The mirrored logit becomes antisymmetric: (f(x) - f(flip x)) / 2; the others symmetric (90 and 270 degrees swapped).
    """

    def __init__(self, nets, flip: bool):
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.flip = flip

    def forward(self, image):
        total = sum(n(image) for n in self.nets)
        if not self.flip:
            return total / len(self.nets)
        # Gather by a constant index exports to every opset and keeps the graph shape-free.
        turned = image.index_select(3, torch.arange(SIZE - 1, -1, -1))
        sign = torch.ones(len(LABELS))
        sign[MIRRORED] = -1.0
        other = sum(n(turned) for n in self.nets).index_select(1, torch.tensor(FLIP_ORDER)) * sign
        return (total + other) / (2 * len(self.nets))
