"""One training step in Keras on TensorFlow, on the CPU: forwards, backwards, SGD with momentum.

--variant train_on_batch   `compile` and `train_on_batch`, as a Keras user writes it
--variant xla              a step of one's own, compiled by XLA
"""

import os

import peer_job

options = peer_job.arguments(("train_on_batch", "xla"))
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy
import tensorflow

import networks_keras

tensorflow.config.threading.set_intra_op_parallelism_threads(options.threads)
tensorflow.config.threading.set_inter_op_parallelism_threads(options.threads)
keras.utils.set_random_seed(1)
random = numpy.random.default_rng(1)
shape = (*options.input[1:], options.input[0]) if len(options.input) == 3 else options.input
images = tensorflow.constant(random.standard_normal((options.batch, *shape), dtype=numpy.float32))
labels = tensorflow.constant(random.integers(0, options.classes, options.batch))
model = networks_keras.network(options.network, shape, options.classes)
optimizer = keras.optimizers.SGD(peer_job.LEARNING_RATE, momentum=peer_job.MOMENTUM)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer=optimizer, loss=loss)
optimizer.build(model.trainable_variables)


@tensorflow.function(jit_compile=True)
def compiled_step():
    with tensorflow.GradientTape() as tape:
        value = loss(labels, model(images, training=True))
    optimizer.apply(tape.gradient(value, model.trainable_variables))
    return value


STEPS = {
    "train_on_batch": lambda: model.train_on_batch(images, labels),
    "xla": lambda: compiled_step().numpy(),
}
times = peer_job.measure(STEPS[options.variant], options.seconds)
parameters = sum(int(numpy.prod(variable.shape)) for variable in model.trainable_variables)
version = f"keras {keras.__version__}, tensorflow {tensorflow.__version__}"
peer_job.report(version, times, parameters=parameters)
