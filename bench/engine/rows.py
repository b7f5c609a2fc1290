"""What is measured: networks, batches, and what is asked of each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """A network as torchvision has it, for one shape of input."""

    name: str
    input: tuple  # [channels, height, width], or [features]
    classes: int
    # Heirloom's step may take this share of the fastest peer's, at batch 32; at any other batch it must not be slower.
    asked: float
    batches: tuple = (1, 8, 32, 100, 256)


@dataclass(frozen=True)
class Answers:
    """A network that answers, beside ONNX Runtime."""

    name: str
    input: tuple
    classes: int
    batch: int
    asked: float


TRAINING = {
    "resnet18": Network("resnet18", (3, 64, 64), 1000, 0.4),
    "vgg11": Network("vgg11", (3, 32, 32), 1000, 0.7),
    "alexnet": Network("alexnet", (3, 64, 64), 1000, 0.7),
    "mlp": Network("mlp", (784,), 10, 0.7),
    "resnet50": Network("resnet50", (3, 64, 64), 1000, 0.7),
}

INFERENCE = {
    "mnist-1": Answers("mnist", (1, 28, 28), 10, 1, 0.7),
    "mnist-256": Answers("mnist", (1, 28, 28), 10, 256, 1 / 1.5),
    "resnet18-224": Answers("resnet18", (3, 224, 224), 1000, 1, 0.9),
    "vgg11-224": Answers("vgg11", (3, 224, 224), 1000, 1, 1.0),
}

# The MNIST job: heirloom's epoch may take this share of each peer's.
MNIST = {"torch-tuned": 1 / 5, "jax": 1 / 6, "keras": 1 / 8}
MNIST_PEAK_MB = 200
# One thread's time over two threads'.
SCALING_ASKED = 1.8

# Runs that take long: only when asked for by name.
ONLY_WHEN_ASKED = ("accuracy",)
ALL = ("mnist", *TRAINING, *INFERENCE, *ONLY_WHEN_ASKED)
