"""AlexNet: from Caffe by caffe2py 0.1.0, readable style.

Inputs: data (10, 3, 227, 227)
Outputs: prob (10, 1000)
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("bvlc_alexnet.pth")
INPUT_SIZE = (227, 227)  # height, width


class AlexNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.fc6 = nn.Linear(9216, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, 1000)

    def forward(self, data: Tensor) -> Tensor:
        # As in Caffe, alpha is divided by the size of the window.
        x = F.local_response_norm(F.relu(self.conv1(data)), 5, 0.0001, 0.75, 1.0)
        # Caffe rounds pooled sizes up.
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = F.local_response_norm(F.relu(self.conv2(x)), 5, 0.0001, 0.75, 1.0)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = F.relu(self.conv5(x))
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = F.dropout(F.relu(self.fc6(x.flatten(1))), 0.5, self.training)
        x = F.dropout(F.relu(self.fc7(x)), 0.5, self.training)
        return torch.softmax(self.fc8(x), 1)


def load(weights: str | Path = WEIGHTS) -> AlexNet:
    """The net with its weights, in eval mode."""
    with torch.device("meta"):
        net = AlexNet()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    net.load_state_dict(state, assign=True)
    return net.eval()


if __name__ == "__main__":
    with torch.no_grad():
        outputs = load()(torch.zeros(10, 3, 227, 227))
    print("prob", tuple(outputs.shape))
