"""A small net of our own, from scratch: stock Keras layers, GroupNorm, the names that publishing and the gate rely on.

Reads and writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mine.quiet import quiet_natives
from train.adopt.layers import EMBEDDING, HEAD, LAST_CONV, PROBABILITIES

if TYPE_CHECKING:
    import keras

# Channels of the blocks, each at half the side of the one before. Chosen by eye for two cores.
WIDTHS = (16, 32, 64, 96)
# Channels that are normalised together. Batch norm with its default momentum never catches up in a short training
# (.62 against .81), GroupNorm has no momentum. Source: measured on the stand-in of 28-px pictures, 3 seeds.
PER_GROUP = 8


def small_net(input_px: int, classes: int, widths: tuple[int, ...] = WIDTHS, name: str = "small") -> keras.Model:
    """A functional net: `picture (B, S, S, 3) float32` in [0, 1] to its answers.

    They are `probabilities` and `logits` (B, C), `embedding` (B, D). D is twice the last width: what a feature is on
    the mean, and where it is strongest, for something small in a large picture is lost in a mean. Weights come from
    Keras's seed.
    """
    with quiet_natives():
        import keras

    picture = keras.Input((input_px, input_px, 3), name="picture")
    flow = keras.layers.Rescaling(4.0, -2.0, name="centred")(picture)  # about unit variance
    for index, width in enumerate(widths):
        last = index == len(widths) - 1
        flow = _block(flow, width, f"block{index}", LAST_CONV if last else f"block{index}_out")
    mean = keras.layers.GlobalAveragePooling2D(name="mean")(flow)
    peak = keras.layers.GlobalMaxPooling2D(name="peak")(flow)
    embedding = keras.layers.Concatenate(name=EMBEDDING)([mean, peak])
    logits = keras.layers.Dense(classes, name=HEAD)(embedding)
    probabilities = keras.layers.Activation("softmax", name=PROBABILITIES)(logits)
    outputs = {"probabilities": probabilities, "logits": logits, "embedding": embedding}
    return keras.Model(picture, outputs, name=name)


def _block(flow: Any, width: int, name: str, out: str) -> Any:
    """Convolution that halves the side, convolution that looks around; each normalised. `out` names the last layer."""
    import keras

    for part, stride, last in (("a", 2, f"{name}_a_relu"), ("b", 1, out)):
        flow = keras.layers.Conv2D(width, 3, stride, "same", use_bias=False, name=f"{name}_{part}")(flow)
        flow = keras.layers.GroupNormalization(max(1, width // PER_GROUP), name=f"{name}_{part}_norm")(flow)
        flow = keras.layers.ReLU(name=last)(flow)
    return flow
