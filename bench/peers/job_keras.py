"""The MNIST job in Keras on TensorFlow, on the CPU: `model.fit`, as a Keras user writes it."""

import os

import job

options = job.arguments()
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow
from keras import layers

import idx

tensorflow.config.threading.set_intra_op_parallelism_threads(options.threads)
tensorflow.config.threading.set_inter_op_parallelism_threads(options.threads)
keras.utils.set_random_seed(options.seed)


class Timer(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        epochs.begin()

    def on_epoch_end(self, epoch, logs=None):
        epochs.end(len(images))


images, labels = idx.training(options.limit)
model = keras.Sequential([
    keras.Input((28, 28, 1)),
    layers.Conv2D(job.FILTERS, job.KERNEL, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(),
    layers.Dense(job.HIDDEN, activation="relu"), layers.Dense(job.CLASSES),
])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer=keras.optimizers.Adam(job.LEARNING_RATE), loss=loss, metrics=["accuracy"])
epochs = job.Epochs()
model.fit(
    images[..., None], labels, batch_size=job.BATCH_SIZE, epochs=options.epochs, verbose=0, callbacks=[Timer()]
)
test_images, test_labels = idx.testing()
test_loss, test_accuracy = model.evaluate(test_images[..., None], test_labels, verbose=0)
job.report(f"keras {keras.__version__}, tensorflow {tensorflow.__version__}", epochs, test_accuracy, test_loss)
