"""Keras as people use it: decode and prepare a batch with the same code as ours, then `predict`."""

import json
import os
import time
from pathlib import Path

import numpy as np

from bench.ways.jpegs import jpegs
from mine.preprocess import prepare
from store.cards import read_card
from store.pictures import decode
from train.export import load

BATCH = 32


def score(alone: bool = False) -> None:
    folder = Path(os.environ["BENCH_DIR"], "models", os.environ["BENCH_VERSION"])
    preprocessing, model, contents = read_card(folder).preprocessing, load(folder), jpegs()

    def prepared(start: int) -> np.ndarray:
        batch = contents[start : start + BATCH]
        return np.stack([prepare(decode(content).rgb, preprocessing) for content in batch])

    starts = range(0, len(contents), BATCH)
    ready = [prepared(start) for start in (starts if alone else starts[:1])]
    model.predict(ready[0], verbose=0)
    began = time.monotonic()
    for number, start in enumerate(starts):
        model.predict(ready[number] if alone else prepared(start), verbose=0)
    print(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    score()
