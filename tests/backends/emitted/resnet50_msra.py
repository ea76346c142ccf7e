"""ResNet-50: from Caffe by caffe2py 0.1.0, readable style.

Inputs: data (1, 3, 224, 224)
Outputs: prob (1, 1000)
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("resnet50_msra.pth")
INPUT_SIZE = (224, 224)  # height, width


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, plus the input or its projection."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        if in_channels != width * 4:
            # Caffe's moving_average_fraction is 1 - momentum.
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, width * 4, 1, stride=stride, bias=False),
                nn.BatchNorm2d(width * 4, momentum=0.001),
            )
        else:
            self.shortcut = nn.Identity()
        self.branch2a = nn.Conv2d(in_channels, width, 1, stride=stride, bias=False)
        self.branch2a_bn = nn.BatchNorm2d(width, momentum=0.001)
        self.branch2b = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.branch2b_bn = nn.BatchNorm2d(width, momentum=0.001)
        self.branch2c = nn.Conv2d(width, width * 4, 1, bias=False)
        self.branch2c_bn = nn.BatchNorm2d(width * 4, momentum=0.001)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.branch2a_bn(self.branch2a(x)))
        y = F.relu(self.branch2b_bn(self.branch2b(y)))
        return F.relu(self.shortcut(x) + self.branch2c_bn(self.branch2c(y)))


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.bn_conv1 = nn.BatchNorm2d(64, momentum=0.001)
        self.res2 = nn.Sequential(
            Bottleneck(64, 64),
            *(Bottleneck(256, 64) for _ in range(2)),
        )
        self.res3 = nn.Sequential(
            Bottleneck(256, 128, stride=2),
            *(Bottleneck(512, 128) for _ in range(3)),
        )
        self.res4 = nn.Sequential(
            Bottleneck(512, 256, stride=2),
            *(Bottleneck(1024, 256) for _ in range(5)),
        )
        self.res5 = nn.Sequential(
            Bottleneck(1024, 512, stride=2),
            *(Bottleneck(2048, 512) for _ in range(2)),
        )
        self.fc1000 = nn.Linear(2048, 1000)

    def forward(self, data: Tensor) -> Tensor:
        x = F.relu(self.bn_conv1(self.conv1(data)))
        # Caffe rounds pooled sizes up.
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.res2(x)
        x = self.res3(x)
        x = self.res4(x)
        x = self.res5(x)
        x = F.avg_pool2d(x, 7, 1)
        return torch.softmax(self.fc1000(x.flatten(1)), 1)


def load(weights: str | Path = WEIGHTS) -> ResNet50:
    """The net with its weights, in eval mode."""
    with torch.device("meta"):
        net = ResNet50()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    net.load_state_dict(state, assign=True)
    return net.eval()


if __name__ == "__main__":
    with torch.no_grad():
        outputs = load()(torch.zeros(1, 3, 224, 224))
    print("prob", tuple(outputs.shape))
