"""The networks in PyTorch: torchvision's own, and two that it does not have."""

import torchvision
from torch import nn


def network(name, classes):
    """The network called `name`, with random weights."""
    if name == "mlp":
        return nn.Sequential(
            nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, classes)
        )
    if name == "mnist":
        return nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(5408, 128), nn.ReLU(), nn.Linear(128, classes),
        )
    return getattr(torchvision.models, name)(weights=None, num_classes=classes)
