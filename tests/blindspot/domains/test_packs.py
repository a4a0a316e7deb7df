"""Stand-ins: always the same pictures, with a truth that fits them, laid out so that their commands work."""

from __future__ import annotations

import gzip
import itertools
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from blindspot.domains.lay import lay_out
from blindspot.domains.pack import find_pack, pack_names
from blindspot.domains.planted import Planted
from blindspot.domains.truth import FILE, FOLDER, answers, read_truth
from blindspot.init import make_home
from blindspot.settings import open_home
from store.errors import HomeError, UsageError
from store.pictures import decode
from store.policy import read_policy

SIZE = 0.004


@pytest.fixture(scope="module")
def emblems() -> list[Planted]:
    return list(find_pack("emblem").pictures(SIZE))


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A share folder with a small dataset in the format of Fashion-MNIST: of kind k, pictures of brightness k."""
    folder = tmp_path / "share" / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    kinds = np.arange(200, dtype=np.uint8) % 10
    pictures = np.repeat(kinds * 20 + 10, 28 * 28).astype(np.uint8)
    pictures[:: 28 * 28] = np.arange(200)  # no two alike
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">IIII", 0x803, 200, 28, 28) + pictures.tobytes())
        )
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">II", 0x801, 200) + kinds.tobytes())
        )
        pictures = pictures ^ 1  # the test files hold others
    monkeypatch.setenv("BLINDSPOT_SHARE", str(tmp_path / "share"))
    return folder


def test_the_same_pictures_each_time(emblems: list[Planted]) -> None:
    again = find_pack("emblem").pictures(SIZE)
    assert [one.data for one in itertools.islice(again, 30)] == [one.data for one in emblems[:30]]


def test_emblems_lie_where_the_truth_says(emblems: list[Planted]) -> None:
    flagged = [name for name, kind in _policy("emblem").items() if kind]
    for one in emblems:
        picture = decode(one.data)
        assert (one.label in flagged) == bool(one.boxes)
        assert one.label in _policy("emblem")
        for left, top, width, height in one.boxes:
            assert 0 <= left < left + width <= picture.width_px
            assert 0 <= top < top + height <= picture.height_px
    assert {len(one.boxes) for one in emblems} == {0, 1, 2}
    assert {one.style for one in emblems if one.boxes} == {"photo", "drawn"}


def test_one_source_is_confounded(emblems: list[Planted]) -> None:
    stickers = [one for one in find_pack("emblem").pictures(0.04) if one.source == "stickers"]
    white = [bool((decode(one.data).rgb[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()) for one in stickers]
    assert white == [bool(one.boxes) for one in stickers]
    assert 0 < sum(white) < len(white)


def test_the_blind_spots_are_unknown_at_first(emblems: list[Planted]) -> None:
    families = {one.family for one in emblems if one.first}
    assert families <= {"", "look_alikes"}
    assert {"digits", "line_art", "strips", "tiny"} <= {one.family for one in emblems}
    suites = {one.place for one in emblems}
    assert {"pool", "ordinary", "positives", "look_alikes", "digits"} <= suites


@pytest.mark.parametrize(("variant", "hidden"), [("b", "trouser"), ("c", "bag")])
def test_a_hidden_garment_and_digits_are_never_among_the_first(debian: Path, variant: str, hidden: str) -> None:
    pack = find_pack(f"shoebox/{variant}")
    made = list(pack.pictures())
    first = [one for one in made if one.first]
    assert 0 < len(first) <= 100
    assert not {hidden, "digit"} & {one.style for one in first}
    assert {one.style for one in made if one.label == "listed"} == set(pack.facts["flagged"])
    assert hidden in {one.style for one in made if one.place == "pool"}
    assert Counter(one.style for one in made if one.place == "pool")["digit"] == 200
    digit = next(one for one in made if one.style == "digit")
    assert decode(digit.data).rgb.shape == (28, 28, 3)


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLINDSPOT_SHARE", str(tmp_path))
    with pytest.raises(HomeError, match="dataset-fashion-mnist"):
        list(find_pack("shoebox").pictures())


@pytest.mark.parametrize(
    "damage", [b"", b"no gzip", gzip.compress(b"\0\0\x08\x03short", mtime=0), gzip.compress(b"PNG", mtime=0)]
)
def test_a_damaged_package_is_named(debian: Path, damage: bytes) -> None:
    path = debian / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage)
    with pytest.raises(HomeError, match="train-images"):
        list(find_pack("shoebox").pictures())


def test_every_pack_has_a_policy_of_its_own(tmp_path: Path) -> None:
    names = pack_names()
    assert {"emblem", "shoebox", "shoebox/b", "shoebox/c"} == set(names)
    rules = {name: find_pack(name).policy for name in names}
    assert rules["shoebox"] == rules["shoebox/b"] != rules["shoebox/c"]
    for name in names:
        assert any(_policy(name).values())
    with pytest.raises(UsageError, match="emblem, shoebox"):
        find_pack("embelm")


def test_the_truth_is_found_again(tmp_path: Path, emblems: list[Planted]) -> None:
    pack = find_pack("emblem")
    home = make_home(tmp_path / "home", policy=pack.policy, furnish=lambda home: lay_out(home, emblems))
    truth = read_truth(home.root / FOLDER / FILE)
    assert open_home(home.root)[0].root == home.root
    assert Counter(row.label for row in truth.values()) == Counter(
        one.label for one in {one.data: one for one in emblems}.values()
    )
    for row in truth.values():
        assert (home.root / FOLDER / row.file).is_file()
        assert row.count == len(list(filter(None, row.boxes.split(";"))))
    picture = next(iter(truth))
    assert list(answers(truth, [picture, "unknown"])) == [
        {"picture": picture, "class": truth[picture].label, "reviewer": "truth"}
    ]


def test_a_killed_init_is_run_again(tmp_path: Path, emblems: list[Planted]) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_home(tmp_path / "home", furnish=lambda home: lay_out(home, emblems, killed))
    home = make_home(tmp_path / "home", furnish=lambda home: lay_out(home, emblems))
    assert len(read_truth(home.root / FOLDER / FILE)) == len({one.data for one in emblems})


def _policy(name: str) -> dict[str, bool]:
    """Class → whether it is flagged."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(find_pack(name).policy)
        file.flush()
        return {each: kind.flagged for each, kind in read_policy(Path(file.name)).classes.items()}
