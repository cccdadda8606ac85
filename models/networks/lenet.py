"""The LeNet of Caffe's MNIST example."""

from __future__ import annotations

from torch import nn

from models.networks.images import image_shape, on_images
from models.networks.initialisation import initialise
from schedules.checks import Number, read_settings

_LEAST = 16  # two 5 x 5 convolutions without padding, each followed by pooling by 2, leave one pixel


def lenet(input_shape: tuple[int, ...], num_classes: int, *, dropout: float = 0.0) -> nn.Module:
    """Build two 5 x 5 convolutions with 20 and 50 channels, each with 2 x 2 max pooling, and layers of 500 and classes.

    There is a ReLU after the layer of 500 only. Weights start uniform with variance 1 / fan_in, biases at 0.

    Args:
        input_shape: ``(height, width)`` or ``(channels, height, width)``, at least 16 x 16.
        num_classes: number of classes.
        dropout: probability of dropping a unit of the layer of 500, in [0, 1); the original has none.

    Returns:
        A module from ``(n, *input_shape)`` to ``(n, num_classes)``; 431,080 parameters for MNIST.

    Raises:
        ValueError: if a setting breaks its range or the input is no such image.

    Reference:
        ``examples/mnist/lenet_train_test.prototxt`` of github.com/BVLC/caffe, after LeCun and others (1998).
    """
    read_settings({"dropout": dropout}, {"dropout": Number(0, 1, "[)")})
    channels, height, width = image_shape("lenet", input_shape, least=_LEAST)
    network = nn.Sequential(
        nn.Conv2d(channels, 20, 5),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(20, 50, 5),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(50 * _left(height) * _left(width), 500),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(500, num_classes),
    )
    initialise(network, "lecun")
    return on_images(input_shape, network)


def _left(length: int) -> int:
    """Return what both convolutions and poolings leave of a side; Caffe rounds up where it pools."""
    for _ in range(2):
        length = -(-(length - 4) // 2)
    return length
