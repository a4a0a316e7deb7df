"""How fast pictures are scored, from JPEG bytes to rows, beside the field's ways, in one run.

    python -m bench.scoring [--pictures 1000] [--rounds 3] [--node FOLDER] [--opennsfw2 /path/of/its/bin/python]

Every way gets the same JPEGs of 1.2 Mpx and says how long it took without loading its model; ours is the real scan
into a real home, its workers' start and rows included: of pictures that were measured before, as after every promotion,
and of new ones with measurements and hashes, the whole path. The ways take turns; medians of the rounds. Slow ways get
fewer pictures. `--node` names a folder with the packages of ways/nsfwjs_wasm.mjs, `--opennsfw2` the Python of an
environment with opennsfw2; without, their rows are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.fetch import measure, pictures

WAYS = Path(__file__).parent / "ways"
MOBILENET, OPEN_NSFW, FAST = "nsfwjs/mobilenet_v2", "open_nsfw", "fast"


@dataclass(frozen=True)
class Way:
    """One row: what is run on how large a share of the pictures, and with which row it is compared."""

    name: str
    script: str
    model: str
    share: float = 1.0
    ours: str = ""
    wanted: float = 0.0
    new: bool = False


SCAN, OWN, QUICK = "blindspot scan, mobilenet_v2", "blindspot scan, open_nsfw", "blindspot scan, fast preprocessing"
WHOLE, WHOLE_QUICK = "the same of new pictures", "fast preprocessing, new pictures"
INFERENCE = "LiteRT alone, both cores"
WAYS_RUN: tuple[Way, ...] = (
    Way(SCAN, "scan.py", MOBILENET),
    Way(WHOLE, "scan.py", MOBILENET, new=True),
    Way("keras predict, same pixels", "keras_predict.py", MOBILENET, 0.3, SCAN, 3),
    Way(INFERENCE, "litert_alone.py", MOBILENET),
    Way("keras predict alone", "keras_alone.py", MOBILENET, 0.3, INFERENCE, 4),
    Way("nsfwjs, wasm, jpeg-js", "nsfwjs_wasm.mjs", MOBILENET, 0.1, SCAN, 12),
    Way(OWN, "scan.py", OPEN_NSFW, 0.5),
    Way("opennsfw2", "opennsfw2_predict.py", OPEN_NSFW, 0.2, OWN, 2),
    Way(QUICK, "scan.py", FAST),
    Way(WHOLE_QUICK, "scan.py", FAST, new=True),
)


def prepare_models(folder: Path) -> dict[str, str]:
    """Adopt the published models, and mobilenet_v2 again as if trained with the fast preprocessing; the versions."""
    from train.adopt import adopt
    from train.export import load
    from train.publish import KEPT, publish

    cards = {name: adopt(name, folder) for name in (MOBILENET, OPEN_NSFW)}
    parent = cards[MOBILENET]
    quick = {"recipe": "plain", "size": parent.input_px, "scaled": True}
    fields = {**parent.model_dump(include=KEPT), "name": FAST, "preprocessing": quick}
    cards[FAST] = publish(load(folder / parent.version), folder, fields)
    return {name: card.version for name, card in cards.items()}


def words_of(way: Way, wanted: argparse.Namespace) -> list[str]:
    """The command of a way; empty when what it needs was not named."""
    path = str(WAYS / way.script)
    if way.script.endswith(".mjs"):
        copied = Path(wanted.node or ".", way.script)
        return ["node", str(copied)] if wanted.node and shutil.copy(path, copied) else []
    if way.script.startswith("opennsfw2"):
        return [wanted.opennsfw2, path] if wanted.opennsfw2 else []
    return [sys.executable, path]


def rates(wanted: argparse.Namespace) -> dict[str, list[float]]:
    """Pictures per second of each way, in each round."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        versions = prepare_models(folder / "models")
        (folder / "pictures").mkdir()
        for number, content in enumerate(pictures(wanted.pictures)):
            (folder / "pictures" / f"{number:05}.jpg").write_bytes(content)
        for _ in range(wanted.rounds):
            for way in WAYS_RUN:
                count = max(20, int(way.share * wanted.pictures))
                env = {"BENCH_DIR": scratch, "BENCH_VERSION": versions[way.model], "BENCH_COUNT": str(count)}
                env |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(Path.cwd())}
                env |= {"BENCH_BEFORE": "" if way.new else versions[OPEN_NSFW if way.model == MOBILENET else MOBILENET]}
                if words := words_of(way, wanted):
                    seconds = measure(words, env)[0]
                    found.setdefault(way.name, []).append(count / seconds)
                    print(json.dumps({"way": way.name, "pictures_per_s": round(count / seconds, 1)}), flush=True)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--node", default="")
    parser.add_argument("--opennsfw2", default="")
    wanted = parser.parse_args()
    found = {name: statistics.median(runs) for name, runs in rates(wanted).items()}
    print(f"{wanted.pictures} pictures, {os.cpu_count()} cores, median of {wanted.rounds} rounds")
    print(f"{'way':38}{'pictures/s':>12}{'ours is':>10}{'wanted':>10}")
    for way in WAYS_RUN:
        if way.name in found:
            ratio = f"{found[way.ours] / found[way.name]:.1f}x" if way.ours else ""
            print(f"{way.name:38}{found[way.name]:12.1f}{ratio:>10}{f'{way.wanted:g}x' if way.wanted else '':>10}")
    print(f"fast preprocessing, share of inference alone: {found[QUICK] / found[INFERENCE]:.2f}; wanted .65")
    print(f"the whole path, pictures/s: {found[WHOLE]:.1f} and {found[WHOLE_QUICK]:.1f}; wanted 100")


if __name__ == "__main__":
    main()
