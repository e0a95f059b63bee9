"""Random weights that hide no error: every parameter matters, and signals keep a healthy size through all layers."""

import numpy as np
import torch
from torch import nn


def spread_out(random, statistics):
    """Running statistics near those of the data, but not equal to them: mean and variance [channels] each.

    The square of the mean counts towards the variance: deep in a network of random weights all pictures look nearly alike, and
    dividing by what little they differ would blow up rounding errors from layer to layer.
    """
    mean, variance = statistics
    size = np.sqrt(variance + mean**2 + 1e-3)
    return mean + random.normal(0, 0.3, mean.shape) * size, size**2 * random.uniform(0.5, 2, mean.shape)


def gains(random, shape, activated=False):
    """Scale and shift of a normalisation; some shifts lead beyond the 6 at which ReLU6 stops."""
    shift = random.normal(0, 0.7, shape)
    return random.uniform(0.5, 1.0, shape), shift + 5.5 * (random.random(shape) < 0.1) if activated else shift


def kernel(random, shape, inputs):
    """A kernel whose outputs vary little from layer to layer, so that a wrong epsilon shows."""
    return random.normal(0, 1, shape) * random.uniform(0.1, 1) / np.sqrt(inputs)


def put(target, values):
    with torch.no_grad():
        target.copy_(torch.from_numpy(np.asarray(values, np.float32)).half().float())


def randomize_torch(model, seed, pixels):
    """Fills a convolutional network; normalisations are set in the order in which the pixels pass them."""
    random = np.random.default_rng(seed)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            put(module.weight, kernel(random, module.weight.shape, module.weight[0].numel()))
            if module.bias is not None:
                put(module.bias, random.normal(0, 0.3, module.bias.shape))

    def normalise(module, arguments):
        values = arguments[0].detach().numpy().astype(np.float64)
        mean, variance = spread_out(random, (values.mean((0, 2, 3)), values.var((0, 2, 3))))
        gamma, beta = gains(random, mean.shape, activated=True)
        for target, drawn in ((module.running_mean, mean), (module.running_var, variance), (module.weight, gamma), (module.bias, beta)):
            put(target, drawn)

    hooks = [module.register_forward_pre_hook(normalise) for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        model.eval()(pixels)
    for hook in hooks:
        hook.remove()


def rounded(values):
    """As float16 would keep it, so that a checkpoint may store half the bytes."""
    return np.asarray(values, np.float32).astype(np.float16).astype(np.float32)


def randomize_keras(model, seed, inputs, make_model, activated=True, stored=lambda array: array):
    """As above for Keras 2 or 3.

    `make_model(inputs, outputs)` gives the part of the model up to a normalisation; `stored(array)` is what a reader finds of an array.
    """
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if "BatchNormalization" in type(layer).__name__:
            values = np.asarray(make_model(model.inputs[0], layer.input)(inputs), np.float64)
            axes = tuple(range(values.ndim - 1))
            mean, variance = spread_out(random, (values.mean(axes), values.var(axes)))
            gamma, beta = gains(random, mean.shape, activated)
            drawn = ([gamma] if layer.scale else []) + ([beta] if layer.center else []) + [mean, variance]
            layer.set_weights([stored(rounded(array)) for array in drawn])
        elif layer.get_weights() and not hasattr(layer, "layers"):
            layer.set_weights([stored(rounded(draw_keras(random, array.shape))) for array in layer.get_weights()])


def draw_keras(random, shape):
    """Kernels [rows, columns, channels, multiplier or filters], matrices [inputs, units], biases [units]."""
    if len(shape) < 2:
        return random.normal(0, 0.3, shape)
    if len(shape) == 2:
        return random.normal(0, 2, shape) / np.sqrt(shape[0])
    fan = shape[0] * shape[1] if len(shape) == 4 and shape[-1] == 1 else int(np.prod(shape[:-1]))
    return kernel(random, shape, fan)


def randomize_bert(model, seed):
    """Fills a transformer: vectors small enough that epsilon shows, attention that prefers some tokens."""
    random = np.random.default_rng(seed)
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            put(module.weight, random.normal(0, 0.03, module.weight.shape))
        elif isinstance(module, nn.Linear):
            sharper = 1.6 if name.endswith(("query", "key")) else 1
            put(module.weight, random.normal(0, sharper, module.weight.shape) / np.sqrt(module.in_features))
            put(module.bias, random.normal(0, 0.3, module.bias.shape))
        elif isinstance(module, nn.LayerNorm):
            gamma, beta = gains(random, module.weight.shape)
            put(module.weight, gamma)
            put(module.bias, beta)
