"""Prints the test pictures as raw pixels in JSON: what the originals answer must not depend on a decoder."""

from __future__ import annotations

import base64
import hashlib
import json

from tests.train.adopt.pictures import PICTURES, pixels


def main() -> None:
    """Print name -> {height, width, sha256, rgb}."""
    found = {}
    for name in PICTURES:
        rgb = pixels(name)
        facts = {
            "height": rgb.shape[0],
            "width": rgb.shape[1],
            "sha256": hashlib.sha256(rgb.tobytes()).hexdigest(),
        }
        found[name] = {**facts, "rgb": base64.b64encode(rgb.tobytes()).decode()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
