"""Seconds an epoch of Keras 3's tutorial recipe for transfer learning: flowers at 224 px on a frozen MobileNetV2, TensorFlow backend.

    taskset -c 0,1 python bench/engines_keras.py <flowers folder> <mobilenet folder> [--epochs 10]

The flowers folder holds `{train,test}/<class>/*.jpg`; the mobilenet folder holds MobileNetV2 1.0 @224 in the Hub's layout, whose weights
are put into `keras.applications.MobileNetV2`. The recipe is the tutorial's as it stands, without augmentation:
`image_dataset_from_directory` in batches of 32, prefetched; `preprocess_input`; the base with `training=False`; GlobalAveragePooling2D;
Dropout 0.2; Dense; Adam 1e-4. Every epoch reads, decodes and resizes the photos anew and runs the whole base, as the tutorial does.

Prints one JSON line: `start` (imports, network, list of files), seconds of each epoch, of the evaluation on the test photos, accuracy, and
the whole job as it was run. With fewer than 10 epochs `tenEpochs` says what 10 would take: start, median of the epochs but the first where
there are more, times 10, and evaluation. `check`: the first features of the picture that `engines_reference.py` makes by formula.

Versions: keras 3.15.1, tensorflow 2.20.0, safetensors 0.8.0.
"""

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402 - the clock starts before the imports, which belong to the job
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import statistics  # noqa: E402
from pathlib import Path  # noqa: E402

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402

THREADS = 2
SIDE = 224
BATCH = 32


def layer_names():
    """Names of a convolution and its normalisation in Keras, and the module of both in transformers."""
    yield "Conv1", "bn_Conv1", "conv_stem.first_conv"
    yield "expanded_conv_depthwise", "expanded_conv_depthwise_BN", "conv_stem.conv_3x3"
    yield "expanded_conv_project", "expanded_conv_project_BN", "conv_stem.reduce_1x1"
    for block in range(16):
        for ours, theirs in (("expand", "expand_1x1"), ("depthwise", "conv_3x3"), ("project", "reduce_1x1")):
            yield f"block_{block + 1}_{ours}", f"block_{block + 1}_{ours}_BN", f"layer.{block}.{theirs}"
    yield "Conv_1", "Conv_1_bn", "conv_1x1"


def published_base(folder):
    """MobileNetV2 without its top, filled from a checkpoint in the Hub's layout."""
    base = keras.applications.MobileNetV2(input_shape=(SIDE, SIDE, 3), include_top=False, weights=None)
    tensors = load_file(folder / "model.safetensors")
    filled = 0
    for convolution, normalization, module in layer_names():
        prefix = f"mobilenet_v2.{module}"
        kernel = tensors[f"{prefix}.convolution.weight"]  # [out, in, row, column]; of a depthwise one [channel, 1, row, column]
        depthwise = isinstance(base.get_layer(convolution), keras.layers.DepthwiseConv2D)
        base.get_layer(convolution).set_weights([kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(2, 3, 1, 0)])
        parts = ("weight", "bias", "running_mean", "running_var")
        base.get_layer(normalization).set_weights([tensors[f"{prefix}.normalization.{part}"] for part in parts])
        filled += 5
    assert filled == len(base.weights), (filled, len(base.weights))
    return base


def features_by_formula(base):
    values = np.sin(np.arange(SIDE * SIDE * 3, dtype=np.float64)).astype(np.float32).reshape(1, SIDE, SIDE, 3)
    pooled = np.asarray(base(values, training=False)).mean((1, 2))
    return [round(float(value), 6) for value in pooled[0, :4]]


def photos(folder, shuffle):
    settings = {"seed": 1, "batch_size": BATCH, "image_size": (SIDE, SIDE), "verbose": False}
    found = keras.utils.image_dataset_from_directory(folder, shuffle=shuffle, **settings)
    return found.prefetch(tf.data.AUTOTUNE), len(found.class_names), len(found.file_paths)


def classifier(base, classes):
    base.trainable = False
    inputs = keras.Input(shape=(SIDE, SIDE, 3))
    hidden = keras.applications.mobilenet_v2.preprocess_input(inputs)
    hidden = base(hidden, training=False)
    hidden = keras.layers.GlobalAveragePooling2D()(hidden)
    hidden = keras.layers.Dropout(0.2)(hidden)
    model = keras.Model(inputs, keras.layers.Dense(classes)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=1e-4), loss=loss, metrics=["accuracy"])
    return model


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.begin)


def read_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("flowers", type=Path)
    parser.add_argument("mobilenet", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    return parser.parse_args()


def main():
    arguments = read_arguments()
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    keras.utils.set_random_seed(1)
    base = published_base(arguments.mobilenet)
    train, classes, count = photos(arguments.flowers / "train", shuffle=True)
    test, _, test_count = photos(arguments.flowers / "test", shuffle=False)
    model, clock = classifier(base, classes), Clock()
    start = time.perf_counter() - STARTED
    losses = model.fit(train, epochs=arguments.epochs, callbacks=[clock], verbose=0).history["loss"]
    assert len(losses) < 2 or losses[-1] < losses[0], f"the loss does not fall: {losses}"
    before = time.perf_counter()
    _, accuracy = model.evaluate(test, verbose=0)
    evaluation, whole = time.perf_counter() - before, time.perf_counter() - STARTED
    typical = statistics.median(clock.seconds[1:] or clock.seconds)
    figures = {
        "work": "flowers-recipe",
        "by": f"Keras {keras.__version__}, TensorFlow {tf.__version__}, {THREADS} threads",
        "photos": [count, test_count],
        "start": start,
        "epochs": clock.seconds,
        "evaluation": evaluation,
        "whole": whole,
        "tenEpochs": start + 10 * typical + evaluation,
    }
    rounded = {name: round(value, 1) if isinstance(value, float) else value for name, value in figures.items()}
    rounded["epochs"] = [round(value, 1) for value in clock.seconds]
    rounded |= {"losses": [round(loss, 4) for loss in losses], "accuracy": round(accuracy, 4), "check": features_by_formula(base)}
    rounded["peakMb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(rounded))


if __name__ == "__main__":
    main()
