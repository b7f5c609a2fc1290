"""The MNIST job in JAX and optax on the CPU: one jitted training step per batch, the data on the device."""

import os

import job

options = job.arguments()
os.environ["JAX_PLATFORMS"] = "cpu"
if options.threads == 1:
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}"

import jax
import jax.numpy as jnp
import numpy as np
import optax

import idx

SIDE = (28 - job.KERNEL + 1) // 2


def parameters(key):
    keys = jax.random.split(key, 3)
    glorot = jax.nn.initializers.glorot_uniform()
    return {
        "conv": {"w": glorot(keys[0], (job.KERNEL, job.KERNEL, 1, job.FILTERS)), "b": jnp.zeros(job.FILTERS)},
        "hidden": {"w": glorot(keys[1], (job.FILTERS * SIDE * SIDE, job.HIDDEN)), "b": jnp.zeros(job.HIDDEN)},
        "out": {"w": glorot(keys[2], (job.HIDDEN, job.CLASSES)), "b": jnp.zeros(job.CLASSES)},
    }


def logits(model, images):
    """[batch, row, column, 1] -> [batch, class]"""
    layout = ("NHWC", "HWIO", "NHWC")
    x = jax.lax.conv_general_dilated(images, model["conv"]["w"], (1, 1), "VALID", dimension_numbers=layout)
    x = jax.nn.relu(x + model["conv"]["b"])
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = jax.nn.relu(x.reshape(len(x), -1) @ model["hidden"]["w"] + model["hidden"]["b"])
    return x @ model["out"]["w"] + model["out"]["b"]


def loss_of(model, images, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits(model, images), labels).mean()


def step(model, state, batch, images, labels):
    gradient = jax.grad(loss_of)(model, images[batch], labels[batch])
    updates, state = optimizer.update(gradient, state, model)
    return optax.apply_updates(model, updates), state


def evaluate(model, images, labels):
    scores = jnp.concatenate([jax.jit(logits)(model, part) for part in jnp.split(images, 10)])
    loss = optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()
    return (scores.argmax(1) == labels).mean(), loss


def arrays(images, labels):
    return jnp.asarray(images[..., None]), jnp.asarray(labels.astype(np.int32))


images, labels = arrays(*idx.training(options.limit))
model = parameters(jax.random.PRNGKey(options.seed))
optimizer = optax.adam(job.LEARNING_RATE)
state = optimizer.init(model)
train = jax.jit(step, donate_argnums=(0, 1))
shuffle = np.random.default_rng(options.seed)
epochs = job.Epochs()
for _ in range(options.epochs):
    epochs.begin()
    order = shuffle.permutation(len(images)).astype(np.int32)
    for start in range(0, len(order), job.BATCH_SIZE):
        model, state = train(model, state, order[start : start + job.BATCH_SIZE], images, labels)
    jax.block_until_ready((model, state))
    epochs.end(len(images))
version = f"jax {jax.__version__}, optax {optax.__version__}"
job.report(version, epochs, *evaluate(model, *arrays(*idx.testing())))
