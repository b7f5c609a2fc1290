"""The MNIST job in PyTorch, eager, on the CPU. The data lie in one tensor; a batch is an index.

--variant default   nn.Module, default Adam
--variant tuned     fused Adam, channels_last: the quickest form found without compilation
"""

import job

options = job.arguments(("default", "tuned"))

import torch
from torch import nn
from torch.nn import functional

import idx

torch.set_num_threads(options.threads)
torch.manual_seed(options.seed)
TUNED = options.variant == "tuned"


def network():
    side = (28 - job.KERNEL + 1) // 2
    return nn.Sequential(
        nn.Conv2d(1, job.FILTERS, job.KERNEL), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(job.FILTERS * side * side, job.HIDDEN), nn.ReLU(), nn.Linear(job.HIDDEN, job.CLASSES),
    )


def train_epoch(model, optimizer, images, labels):
    order = torch.randperm(len(images))
    for batch in order.split(job.BATCH_SIZE):
        optimizer.zero_grad()
        functional.cross_entropy(model(images[batch]), labels[batch]).backward()
        optimizer.step()


def evaluate(model, images, labels):
    with torch.no_grad():
        logits = torch.cat([model(part) for part in images.split(1000)])
    return (logits.argmax(1) == labels).float().mean().item(), functional.cross_entropy(logits, labels).item()


def tensors(images, labels):
    """[count, channel, row, column] and [count]."""
    return torch.from_numpy(images)[:, None], torch.from_numpy(labels)


images, labels = tensors(*idx.training(options.limit))
model = network()
if TUNED:
    model = model.to(memory_format=torch.channels_last)
optimizer = torch.optim.Adam(model.parameters(), lr=job.LEARNING_RATE, fused=True if TUNED else None)
epochs = job.Epochs()
for _ in range(options.epochs):
    epochs.begin()
    train_epoch(model, optimizer, images, labels)
    epochs.end(len(images))
job.report(f"torch {torch.__version__}", epochs, *evaluate(model, *tensors(*idx.testing())))
