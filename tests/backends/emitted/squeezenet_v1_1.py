"""A net: from Caffe by caffe2py 0.1.0, readable style.

Inputs: data (10, 3, 227, 227)
Outputs: prob (10, 1000, 1, 1)
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("squeezenet_v1_1.pth")
INPUT_SIZE = (227, 227)  # height, width


class Fire(nn.Module):
    """Squeeze the channels, then expand them by 1x1 and 3x3 kernels side by side."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(in_channels, width, 1)
        self.expand1x1 = nn.Conv2d(width, width * 4, 1)
        self.expand3x3 = nn.Conv2d(width, width * 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze1x1(x))
        y = F.relu(self.expand1x1(x))
        x = F.relu(self.expand3x3(x))
        return torch.cat([y, x], 1)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2)
        self.fire2 = Fire(64, 16)
        self.fire3 = Fire(128, 16)
        self.fire4 = Fire(128, 32)
        self.fire5 = Fire(256, 32)
        self.fire6 = Fire(256, 48)
        self.fire7 = Fire(384, 48)
        self.fire8 = Fire(384, 64)
        self.fire9 = Fire(512, 64)
        self.conv10 = nn.Conv2d(512, 1000, 1)

    def forward(self, data: Tensor) -> Tensor:
        x = F.relu(self.conv1(data))
        # Caffe rounds pooled sizes up.
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.fire2(x)
        x = self.fire3(x)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.fire4(x)
        x = self.fire5(x)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.fire6(x)
        x = self.fire7(x)
        x = self.fire8(x)
        x = F.dropout(self.fire9(x), 0.5, self.training)
        x = F.relu(self.conv10(x))
        return torch.softmax(x.mean((2, 3), keepdim=True), 1)


def load(weights: str | Path = WEIGHTS) -> Net:
    """The net with its weights, in eval mode."""
    with torch.device("meta"):
        net = Net()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    net.load_state_dict(state, assign=True)
    return net.eval()


if __name__ == "__main__":
    with torch.no_grad():
        outputs = load()(torch.zeros(10, 3, 227, 227))
    print("prob", tuple(outputs.shape))
