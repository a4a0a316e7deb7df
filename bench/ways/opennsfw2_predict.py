"""opennsfw2 on files, in batches, with its own decoding and preprocessing; its net with weights drawn by chance, which
take as long as the published ones and need no download."""

import json
import os
import time
from pathlib import Path

import opennsfw2


def score() -> None:
    paths = sorted(Path(os.environ["BENCH_DIR"], "pictures").iterdir())[: int(os.environ["BENCH_COUNT"])]
    model = opennsfw2.make_open_nsfw_model(weights_path=None)

    def run(some: list[Path], batch: int = 32) -> None:
        import numpy as np
        from PIL import Image

        for start in range(0, len(some), batch):
            images = [
                opennsfw2.preprocess_image(Image.open(path), opennsfw2.Preprocessing.YAHOO)
                for path in some[start : start + batch]
            ]
            model.predict(np.stack(images), batch_size=batch, verbose=0)

    run(paths[:32])
    began = time.monotonic()
    run(paths)
    print(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    score()
