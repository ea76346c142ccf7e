"""SE-BN-Inception: from Caffe by caffe2py 0.1.0, readable style.

Inputs: data (1, 3, 224, 224)
Outputs: prob (1, 1000)
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("SE-BN-Inception.pth")
INPUT_SIZE = (224, 224)  # height, width
CHANNELS = "BGR"  # of values from 0 to 255
MEAN = (104.0, 117.0, 123.0)


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate that is made of the channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, channels // 16, 1)
        self.up = nn.Conv2d(channels // 16, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = x.mean((2, 3), keepdim=True)
        y = F.relu(self.down(y))
        y = torch.sigmoid(self.up(y))
        return x * y.reshape(y.shape[0], y.shape[1])[..., None, None]


class ConvBNReLU(nn.Module):
    """Convolution, batch normalisation and ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            bias=False,
        )
        # Caffe's moving_average_fraction is 1 - momentum.
        self.bn = nn.BatchNorm2d(out_channels, momentum=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class SEInception(nn.Module):
    """Four branches side by side, and a gate."""

    def __init__(
        self,
        in_channels: int,
        conv_1x1: int,
        reduce: int,
        conv_3x3: int,
        double3x3_reduce: int,
        double3x3a: int,
        proj_pool: int,
    ) -> None:
        super().__init__()
        self.conv_1x1 = ConvBNReLU(in_channels, conv_1x1)
        self.reduce = ConvBNReLU(in_channels, reduce)
        self.conv_3x3 = ConvBNReLU(reduce, conv_3x3, kernel_size=3)
        self.double3x3_reduce = ConvBNReLU(in_channels, double3x3_reduce)
        self.double3x3a = ConvBNReLU(double3x3_reduce, double3x3a, kernel_size=3)
        self.double3x3b = ConvBNReLU(double3x3a, double3x3a, kernel_size=3)
        self.proj_pool = ConvBNReLU(in_channels, proj_pool)
        self.se = SqueezeExcitation(conv_1x1 + conv_3x3 + double3x3a + proj_pool)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_1x1(x)
        z = self.reduce(x)
        z = self.conv_3x3(z)
        u = self.double3x3_reduce(x)
        u = self.double3x3a(u)
        u = self.double3x3b(u)
        # As in Caffe, the average counts the padding's zeros.
        x = F.avg_pool2d(x, 3, 1, padding=1)
        x = self.proj_pool(x)
        y = torch.cat([y, z, u, x], 1)
        return self.se(y)


class SEInceptionB(nn.Module):
    """Three branches side by side, and a gate."""

    def __init__(
        self, in_channels: int, conv_3x3: int, double3x3_reduce: int, double3x3a: int
    ) -> None:
        super().__init__()
        self.reduce = ConvBNReLU(in_channels, 128)
        self.conv_3x3 = ConvBNReLU(128, conv_3x3, kernel_size=3, stride=2)
        self.double3x3_reduce = ConvBNReLU(in_channels, double3x3_reduce)
        self.double3x3a = ConvBNReLU(double3x3_reduce, double3x3a, kernel_size=3)
        self.double3x3b = ConvBNReLU(double3x3a, double3x3a, kernel_size=3, stride=2)
        self.se = SqueezeExcitation(conv_3x3 + double3x3a + in_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.reduce(x)
        y = self.conv_3x3(y)
        z = self.double3x3_reduce(x)
        z = self.double3x3a(z)
        z = self.double3x3b(z)
        # Caffe rounds pooled sizes up.
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        y = torch.cat([y, z, x], 1)
        return self.se(y)


class SEBNInception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1_7x7_s2 = ConvBNReLU(3, 64, kernel_size=7, stride=2)
        self.conv2_3x3_reduce = ConvBNReLU(64, 64)
        self.conv2_3x3 = ConvBNReLU(64, 192, kernel_size=3)
        self.inception_3a = SEInception(192, 64, 64, 64, 64, 96, 32)
        self.inception_3b = SEInception(256, 64, 64, 96, 64, 96, 64)
        self.inception_3c = SEInceptionB(320, 160, 64, 96)
        self.inception_4a = SEInception(576, 224, 64, 96, 96, 128, 128)
        self.inception_4b = SEInception(576, 192, 96, 128, 96, 128, 128)
        self.inception_4c = SEInception(576, 160, 128, 160, 128, 160, 128)
        self.inception_4d = SEInception(608, 96, 128, 192, 160, 192, 128)
        self.inception_4e = SEInceptionB(608, 192, 192, 256)
        self.inception_5a = SEInception(1056, 352, 192, 320, 160, 224, 128)
        self.inception_5b_1x1 = ConvBNReLU(1024, 352)
        self.inception_5b_3x3_reduce = ConvBNReLU(1024, 192)
        self.inception_5b_3x3 = ConvBNReLU(192, 320, kernel_size=3)
        self.inception_5b_double3x3_reduce = ConvBNReLU(1024, 192)
        self.inception_5b_double3x3a = ConvBNReLU(192, 224, kernel_size=3)
        self.inception_5b_double3x3b = ConvBNReLU(224, 224, kernel_size=3)
        self.inception_5b_pool_proj = ConvBNReLU(1024, 128)
        self.inception_5b_se = SqueezeExcitation(1024)
        self.classifier = nn.Linear(1024, 1000)

    def forward(self, data: Tensor) -> Tensor:
        x = self.conv1_7x7_s2(data)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.conv2_3x3_reduce(x)
        x = self.conv2_3x3(x)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.inception_3a(x)
        x = self.inception_3b(x)
        x = self.inception_3c(x)
        x = self.inception_4a(x)
        x = self.inception_4b(x)
        x = self.inception_4c(x)
        x = self.inception_4d(x)
        x = self.inception_4e(x)
        x = self.inception_5a(x)
        y = self.inception_5b_1x1(x)
        z = self.inception_5b_3x3_reduce(x)
        z = self.inception_5b_3x3(z)
        u = self.inception_5b_double3x3_reduce(x)
        u = self.inception_5b_double3x3a(u)
        u = self.inception_5b_double3x3b(u)
        x = F.max_pool2d(x, 3, 1, padding=1)
        x = self.inception_5b_pool_proj(x)
        y = torch.cat([y, z, u, x], 1)
        y = self.inception_5b_se(y)
        y = F.avg_pool2d(y, 7, 1)
        return torch.softmax(self.classifier(y.flatten(1)), 1)


def load(weights: str | Path = WEIGHTS) -> SEBNInception:
    """The net with its weights, in eval mode."""
    with torch.device("meta"):
        net = SEBNInception()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    net.load_state_dict(state, assign=True)
    return net.eval()


if __name__ == "__main__":
    with torch.no_grad():
        outputs = load()(torch.zeros(1, 3, 224, 224))
    print("prob", tuple(outputs.shape))
