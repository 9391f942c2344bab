"""DenseNet-121 with one input channel (Huang et al., CVPR 2017), for comparison with the small net; it does not ship.

image float32 [N,1,S,S] -> features float32 [N,1024,S/32,S/32] (after the last ReLU) -> logits [N,K].
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

GROWTH, STEM, BLOCKS = 32, 64, (6, 12, 24, 16)


class Layer(nn.Module):
    """x -> [x, conv3x3(relu(bn(conv1x1(relu(bn(x))))))]"""

    def __init__(self, c_in: int):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(c_in), nn.Conv2d(c_in, 4 * GROWTH, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * GROWTH), nn.Conv2d(4 * GROWTH, GROWTH, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))], 1)


class DenseNet121(nn.Module):
    def __init__(self, outputs: int, dropout: float = 0.0, pretext: int = 2):
        super().__init__()
        self.shape = dict(outputs=outputs, trunk="densenet121")
        self.stem = nn.Sequential(nn.Conv2d(1, STEM, 7, 2, 3, bias=False), nn.BatchNorm2d(STEM), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        body, c = [], STEM
        for k, count in enumerate(BLOCKS):
            for _ in range(count):
                body.append(Layer(c))
                c += GROWTH
            if k + 1 < len(BLOCKS):
                body.append(nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, c // 2, 1, bias=False), nn.AvgPool2d(2)))
                c //= 2
        self.body, self.norm = nn.Sequential(*body), nn.BatchNorm2d(c)
        self.dropout = nn.Dropout(dropout)
        self.head, self.pretext = nn.Linear(c, outputs), nn.Linear(c, pretext)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
        nn.init.zeros_(self.head.bias)

    def features(self, image):
        return F.relu(self.norm(self.body(self.stem(image))))

    def pooled(self, image):
        return self.dropout(self.features(image).mean((2, 3)))

    def forward(self, image):
        return self.head(self.pooled(image))
