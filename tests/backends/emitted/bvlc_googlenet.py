"""GoogleNet: from Caffe by caffe2py 0.1.0, readable style.

Inputs: data (10, 3, 224, 224)
Outputs: prob (10, 1000)
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("bvlc_googlenet.pth")
INPUT_SIZE = (224, 224)  # height, width


class Inception(nn.Module):
    """Four branches side by side."""

    def __init__(
        self,
        in_channels: int,
        conv_1x1: int,
        reduce_3x3: int,
        conv_3x3: int,
        reduce_5x5: int,
        conv_5x5: int,
        proj_pool: int,
    ) -> None:
        super().__init__()
        self.conv_1x1 = nn.Conv2d(in_channels, conv_1x1, 1)
        self.reduce_3x3 = nn.Conv2d(in_channels, reduce_3x3, 1)
        self.conv_3x3 = nn.Conv2d(reduce_3x3, conv_3x3, 3, padding=1)
        self.reduce_5x5 = nn.Conv2d(in_channels, reduce_5x5, 1)
        self.conv_5x5 = nn.Conv2d(reduce_5x5, conv_5x5, 5, padding=2)
        self.proj_pool = nn.Conv2d(in_channels, proj_pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv_1x1(x))
        z = F.relu(self.reduce_3x3(x))
        z = F.relu(self.conv_3x3(z))
        u = F.relu(self.reduce_5x5(x))
        u = F.relu(self.conv_5x5(u))
        x = F.max_pool2d(x, 3, 1, padding=1)
        x = F.relu(self.proj_pool(x))
        return torch.cat([y, z, u, x], 1)


class GoogleNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1_7x7_s2 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.conv2_3x3_reduce = nn.Conv2d(64, 64, 1)
        self.conv2_3x3 = nn.Conv2d(64, 192, 3, padding=1)
        self.inception_3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception_3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.inception_4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception_4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception_4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception_4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception_4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.inception_5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception_5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.loss3_classifier = nn.Linear(1024, 1000)

    def forward(self, data: Tensor) -> Tensor:
        x = F.relu(self.conv1_7x7_s2(data))
        # Caffe rounds pooled sizes up.
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        # As in Caffe, alpha is divided by the size of the window.
        x = F.local_response_norm(x, 5, 0.0001, 0.75, 1.0)
        x = F.relu(self.conv2_3x3_reduce(x))
        x = F.local_response_norm(F.relu(self.conv2_3x3(x)), 5, 0.0001, 0.75, 1.0)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.inception_3a(x)
        x = self.inception_3b(x)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.inception_4a(x)
        x = self.inception_4b(x)
        x = self.inception_4c(x)
        x = self.inception_4d(x)
        x = self.inception_4e(x)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.inception_5a(x)
        x = self.inception_5b(x)
        x = F.dropout(F.avg_pool2d(x, 7, 1), 0.4, self.training)
        return torch.softmax(self.loss3_classifier(x.flatten(1)), 1)


def load(weights: str | Path = WEIGHTS) -> GoogleNet:
    """The net with its weights, in eval mode."""
    with torch.device("meta"):
        net = GoogleNet()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    net.load_state_dict(state, assign=True)
    return net.eval()


if __name__ == "__main__":
    with torch.no_grad():
        outputs = load()(torch.zeros(10, 3, 224, 224))
    print("prob", tuple(outputs.shape))
