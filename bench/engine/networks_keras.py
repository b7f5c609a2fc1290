"""The networks in Keras: layer by layer the shapes of torchvision's, channels innermost."""

import keras
from keras import layers


def network(name, shape, classes):
    """The network called `name` for inputs of `shape`: [height, width, channels] or [features]."""
    start = keras.Input(shape)
    return keras.Model(start, BODIES[name](start, classes))


def conv(x, filters, kernel, stride=1, pad=0, bias=False):
    if pad:
        x = layers.ZeroPadding2D(pad)(x)
    return layers.Conv2D(filters, kernel, stride, use_bias=bias)(x)


def norm(x):
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def relu(x):
    return layers.ReLU()(x)


def padded_pool(x):
    return layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))


def resnet(x, classes, counts, block):
    x = padded_pool(relu(norm(conv(x, 64, 7, 2, 3))))
    for stage, count in enumerate(counts):
        for index in range(count):
            x = block(x, 64 << stage, 2 if stage and index == 0 else 1)
    return layers.Dense(classes)(layers.GlobalAveragePooling2D()(x))


def basic(x, width, stride):
    y = relu(norm(conv(x, width, 3, stride, 1)))
    return joined(x, norm(conv(y, width, 3, 1, 1)), stride)


def bottleneck(x, width, stride):
    y = relu(norm(conv(x, width, 1)))
    y = relu(norm(conv(y, width, 3, stride, 1)))
    return joined(x, norm(conv(y, 4 * width, 1)), stride)


def joined(x, y, stride):
    if stride > 1 or x.shape[-1] != y.shape[-1]:
        x = norm(conv(x, y.shape[-1], 1, stride))
    return relu(layers.Add()([y, x]))


def head(x, classes, side, norms=4096):
    """Adaptive average pooling of one element to `side` by `side` repeats it."""
    if x.shape[1:3] != (1, 1):
        raise ValueError(f"the pictures come to {x.shape[1:3]}, only 1 by 1 is written here")
    x = layers.Flatten()(layers.UpSampling2D(side)(x))
    for _ in range(2):
        x = layers.Dropout(0.5)(layers.Dense(norms, activation="relu")(x))
    return layers.Dense(classes)(x)


def vgg11(x, classes):
    for filters, pooled in ((64, 1), (128, 1), (256, 0), (256, 1), (512, 0), (512, 1), (512, 0), (512, 1)):
        x = relu(conv(x, filters, 3, 1, 1, bias=True))
        x = layers.MaxPooling2D(2)(x) if pooled else x
    return head(x, classes, 7)


def alexnet(x, classes):
    x = layers.MaxPooling2D(3, 2)(relu(conv(x, 64, 11, 4, 2, bias=True)))
    x = layers.MaxPooling2D(3, 2)(relu(conv(x, 192, 5, 1, 2, bias=True)))
    for filters in (384, 256, 256):
        x = relu(conv(x, filters, 3, 1, 1, bias=True))
    return head(layers.MaxPooling2D(3, 2)(x), classes, 6)


def mlp(x, classes):
    for units in (512, 256):
        x = layers.Dense(units, activation="relu")(x)
    return layers.Dense(classes)(x)


BODIES = {
    "resnet18": lambda x, classes: resnet(x, classes, (2, 2, 2, 2), basic),
    "resnet50": lambda x, classes: resnet(x, classes, (3, 4, 6, 3), bottleneck),
    "vgg11": vgg11,
    "alexnet": alexnet,
    "mlp": mlp,
}
