"""Keras on pictures that are decoded and prepared already."""

from bench.ways.keras_predict import score

if __name__ == "__main__":
    score(alone=True)
