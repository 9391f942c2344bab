"""Small U-Nets with the parameter names of nnU-Net's networks, for tests only: what a checkpoint holds is made by PyTorch itself.

Written from docs/formats/nnunet-package.md, not from any network's source. Modules that register a layer twice do so on
purpose: real checkpoints hold such second names."""
import torch
from torch import nn


def pick(dimensions, two, three):
    return two if dimensions == 2 else three


class Block(nn.Module):
    def __init__(self, d, inside, outside, kernel, stride, bias, net, active=True):
        super().__init__()
        conv, norm = pick(d, nn.Conv2d, nn.Conv3d), pick(d, nn.InstanceNorm2d, nn.InstanceNorm3d)
        self.conv = conv(inside, outside, kernel, stride, [(k - 1) // 2 for k in kernel], bias=bias)
        layers = [self.conv]
        if net.get("dropout"):
            layers.append(pick(d, nn.Dropout2d, nn.Dropout3d)(0.1))
        self.norm = norm(outside, eps=net.get("eps", 1e-5), affine=net.get("affine", True))
        layers.append(self.norm)
        if active:
            layers.append(nonlinearity(net))
        self.all_modules = nn.Sequential(*layers)

    def forward(self, x):
        return self.all_modules(x)


def nonlinearity(net):
    return nn.ReLU() if net.get("relu") else nn.LeakyReLU(net.get("slope", 0.01))


class Stack(nn.Module):
    def __init__(self, d, count, inside, outside, kernel, stride, bias, net):
        super().__init__()
        ones = [1] * d
        self.convs = nn.Sequential(*[Block(d, inside if i == 0 else outside, outside, kernel, stride if i == 0 else ones, bias, net)
                                     for i in range(count)])

    def forward(self, x):
        return self.convs(x)


class Residual(nn.Module):
    def __init__(self, d, inside, outside, kernel, stride, bias, net):
        super().__init__()
        ones = [1] * d
        self.conv1 = Block(d, inside, outside, kernel, stride, bias, net)
        self.conv2 = Block(d, outside, outside, kernel, ones, bias, net, active=False)
        self.nonlin2 = nonlinearity(net)
        around = []
        if any(s != 1 for s in stride):
            around.append(pick(d, nn.AvgPool2d, nn.AvgPool3d)(stride, stride))
        if inside != outside:
            around.append(Block(d, inside, outside, ones, ones, False, net, active=False))
        self.skip = nn.Sequential(*around)

    def forward(self, x):
        return self.nonlin2(self.conv2(self.conv1(x)) + self.skip(x))


class ResidualStack(nn.Module):
    def __init__(self, d, count, inside, outside, kernel, stride, bias, net):
        super().__init__()
        ones = [1] * d
        self.blocks = nn.Sequential(*[Residual(d, inside if i == 0 else outside, outside, kernel, stride if i == 0 else ones, bias, net)
                                      for i in range(count)])

    def forward(self, x):
        return self.blocks(x)


class Encoder(nn.Module):
    def __init__(self, net):
        super().__init__()
        d, features, inside = net["d"], net["features"], net["channels"]
        ones, stages = [1] * d, []
        if net.get("residual"):
            self.stem = Stack(d, 1, inside, features[0], net["kernels"][0], ones, net["bias"], net)
            inside = features[0]
        for s, outside in enumerate(features):
            kind = ResidualStack if net.get("residual") else Stack
            stage = kind(d, net["blocks"][s], inside, outside, net["kernels"][s], net["strides"][s], net["bias"], net)
            stages.append(stage if net.get("residual") else nn.Sequential(stage))
            inside = outside
        self.stages = nn.Sequential(*stages)

    def forward(self, x):
        if hasattr(self, "stem"):
            x = self.stem(x)
        skips = []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        return skips


class Decoder(nn.Module):
    def __init__(self, net, encoder):
        super().__init__()
        self.encoder = encoder
        d, f = net["d"], net["features"]
        up = pick(d, nn.ConvTranspose2d, nn.ConvTranspose3d)
        conv = pick(d, nn.Conv2d, nn.Conv3d)
        steps, ones = range(1, len(f)), [1] * d
        stride = lambda s: tuple(net["strides"][-s])
        self.transpconvs = nn.ModuleList([up(f[-s], f[-s - 1], stride(s), stride(s), bias=net["bias"]) for s in steps])
        self.stages = nn.ModuleList([Stack(d, net["decoder"][s - 1], 2 * f[-s - 1], f[-s - 1], net["kernels"][-s - 1], ones, net["bias"], net)
                                     for s in steps])
        self.seg_layers = nn.ModuleList([conv(f[-s - 1], net["classes"], 1) for s in steps])

    def forward(self, skips):
        x = skips[-1]
        for i, (up, stage) in enumerate(zip(self.transpconvs, self.stages)):
            x = stage(torch.cat((up(x), skips[-2 - i]), 1))
        return self.seg_layers[-1](x)


class UNet(nn.Module):
    """net: d, features, kernels, strides, blocks, decoder, bias, channels, classes [, residual, affine, eps, slope, relu]"""

    def __init__(self, net):
        super().__init__()
        self.encoder = Encoder(net)
        self.decoder = Decoder(net, self.encoder)

    def forward(self, x):
        return self.decoder(self.encoder(x))


def randomise(module, seed):
    """Norms that do something and biases that matter, so that a weight in the wrong place shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.named_parameters():
            scale = 0.3 if value.dim() == 1 else (2.0 / value[0].numel()) ** 0.5
            value.copy_(torch.randn(value.shape, generator=generator) * scale + (1.0 if name.endswith("norm.weight") else 0.0))
    return module.eval()
