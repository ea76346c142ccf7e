"""SENet: from Caffe by caffe2py 0.1.0, readable style.

Inputs: data (1, 3, 224, 224)
Outputs: prob (1, 1000)
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("SENet-154.pth")
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
        return torch.sigmoid(self.up(y)) * x


class SEBottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a gate, plus the input or its projection."""

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, shortcut_kernel: int = 3
    ) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(in_channels, width, 1, bias=False)
        # Caffe's moving_average_fraction is 1 - momentum.
        self.reduce_bn = nn.BatchNorm2d(width, momentum=0.001)
        self.conv_3x3 = nn.Conv2d(
            width, width * 2, 3, stride=stride, padding=1, groups=64, bias=False
        )
        self.bn_3x3 = nn.BatchNorm2d(width * 2, momentum=0.001)
        self.increase = nn.Conv2d(width * 2, width * 2, 1, bias=False)
        self.increase_bn = nn.BatchNorm2d(width * 2, momentum=0.001)
        self.se = SqueezeExcitation(width * 2)
        if in_channels != width * 2:
            self.shortcut = nn.Sequential(
                nn.Conv2d(
                    in_channels,
                    width * 2,
                    shortcut_kernel,
                    stride=stride,
                    padding=shortcut_kernel // 2,
                    bias=False,
                ),
                nn.BatchNorm2d(width * 2, momentum=0.001),
            )
        else:
            self.shortcut = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.reduce_bn(self.reduce(x)))
        y = F.relu(self.bn_3x3(self.conv_3x3(y)))
        y = self.increase_bn(self.increase(y))
        return F.relu(self.se(y) + self.shortcut(x))


class SENet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1_1_3x3_s2 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.conv1_1_3x3_s2_bn = nn.BatchNorm2d(64, momentum=0.001)
        self.conv1_2_3x3 = nn.Conv2d(64, 64, 3, padding=1, bias=False)
        self.conv1_2_3x3_bn = nn.BatchNorm2d(64, momentum=0.001)
        self.conv1_3_3x3 = nn.Conv2d(64, 128, 3, padding=1, bias=False)
        self.conv1_3_3x3_bn = nn.BatchNorm2d(128, momentum=0.001)
        self.conv2 = nn.Sequential(
            SEBottleneck(128, 128, shortcut_kernel=1),
            *(SEBottleneck(256, 128) for _ in range(2)),
        )
        self.conv3 = nn.Sequential(
            SEBottleneck(256, 256, stride=2),
            *(SEBottleneck(512, 256) for _ in range(7)),
        )
        self.conv4 = nn.Sequential(
            SEBottleneck(512, 512, stride=2),
            *(SEBottleneck(1024, 512) for _ in range(35)),
        )
        self.conv5 = nn.Sequential(
            SEBottleneck(1024, 1024, stride=2),
            *(SEBottleneck(2048, 1024) for _ in range(2)),
        )
        self.classifier = nn.Linear(2048, 1000)

    def forward(self, data: Tensor) -> Tensor:
        x = F.relu(self.conv1_1_3x3_s2_bn(self.conv1_1_3x3_s2(data)))
        x = F.relu(self.conv1_2_3x3_bn(self.conv1_2_3x3(x)))
        x = F.relu(self.conv1_3_3x3_bn(self.conv1_3_3x3(x)))
        # Caffe rounds pooled sizes up.
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.conv2(x)
        x = self.conv3(x)
        x = self.conv4(x)
        x = self.conv5(x)
        x = F.dropout(F.avg_pool2d(x, 7, 1), 0.2, self.training)
        return torch.softmax(self.classifier(x.flatten(1)), 1)


def load(weights: str | Path = WEIGHTS) -> SENet:
    """The net with its weights, in eval mode."""
    with torch.device("meta"):
        net = SENet()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    net.load_state_dict(state, assign=True)
    return net.eval()


if __name__ == "__main__":
    with torch.no_grad():
        outputs = load()(torch.zeros(1, 3, 224, 224))
    print("prob", tuple(outputs.shape))
