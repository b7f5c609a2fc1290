"""One training step in PyTorch, eager, on the CPU: forwards, backwards, SGD with momentum.

--variant default         as written
--variant channels_last   weights and pictures with the channels innermost
"""

import peer_job

options = peer_job.arguments(("default", "channels_last"))

import torch
from torch.nn import functional

import networks_torch

torch.set_num_threads(options.threads)
torch.manual_seed(1)
model = networks_torch.network(options.network, options.classes)
images = torch.randn(options.batch, *options.input)
labels = torch.randint(0, options.classes, (options.batch,))
if options.variant == "channels_last":
    model = model.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last) if images.dim() == 4 else images
optimizer = torch.optim.SGD(model.parameters(), lr=peer_job.LEARNING_RATE, momentum=peer_job.MOMENTUM)


def step():
    optimizer.zero_grad(set_to_none=True)
    functional.cross_entropy(model(images), labels).backward()
    optimizer.step()


parameters = sum(parameter.numel() for parameter in model.parameters())
peer_job.report(f"torch {torch.__version__}", peer_job.measure(step, options.seconds), parameters=parameters)
