"""The rules of the house that a reader cannot check by eye: who imports whom, how long things are, what is not said."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Each package and what it may import of ours. An arrow reaches everything below it, never up or sideways.
BELOW = {
    "store": {"store"},
    "crawl": {"crawl", "store"},
    "mine": {"mine", "store"},
    "train": {"train", "mine", "store"},
    "blindspot": {"blindspot", "train", "mine", "crawl", "store"},
}
FILE_LINES, FUNCTION_LINES, README_LINES = 300, 60, 150
HEAVY = {"tensorflow", "keras", "tf_keras"}
NAMES_FOR_NOTHING = re.compile(r"(^|_)(utils?|helpers?|common|managers?)(_|$)|(Utils?|Helpers?|Manager)$")
# In two parts each, so that this file does not say them either.
UNSAID = tuple(
    "".join(parts).encode()
    for parts in (
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("npmjs", ".org"),
        ("npmjs", ".com"),
        ("yarn", "pkg.com"),
        ("--index", "-url"),
        ("--extra-index", "-url"),
        ("/wo", "rk/"),
        ("/ro", "ot/"),
    )
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


ALL = [path for package in BELOW for path in modules(package)]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> list[str]:
    """The modules that one node imports, by statement or by `import_module("…")`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""] if node.level == 0 else []
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        return [argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)]
    return []


def at_import_time(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: not the bodies of functions, not what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from at_import_time(child)


def tops(nodes: Iterator[ast.AST]) -> set[str]:
    return {module.split(".")[0] for node in nodes for module in imported(node)}


@pytest.mark.parametrize("package", BELOW)
def test_imports_go_down_only(package: str) -> None:
    assert modules(package)
    wrong = {
        name_of(path): sorted((tops(ast.walk(tree_of(path))) & set(BELOW)) - BELOW[package])
        for path in modules(package)
    }
    assert {path: found for path, found in wrong.items() if found} == {}


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    found = {name_of(path): sorted(tops(at_import_time(tree_of(path))) & HEAVY) for path in ALL}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("package", ["store", "crawl"])
def test_store_and_crawl_know_nothing_of_tensorflow(package: str) -> None:
    wanted = HEAVY | {"ai_edge_litert"}
    found = {name_of(path): sorted(tops(ast.walk(tree_of(path))) & wanted) for path in modules(package)}
    assert {path: names for path, names in found.items() if names} == {}


def test_importing_store_and_crawl_loads_no_tensorflow() -> None:
    names = [name_of(path)[:-3].replace("/", ".") for package in ("store", "crawl") for path in modules(package)]
    code = f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
    code += f"print(sorted(set({sorted(HEAVY)}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_stay_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in ALL}
    assert {path: lines for path, lines in lengths.items() if lines > FILE_LINES} == {}


def test_functions_stay_short() -> None:
    long = {
        f"{name_of(path)}:{node.name}": node.end_lineno - node.lineno + 1
        for path in ALL
        for node in ast.walk(tree_of(path))
        if isinstance(node, Function) and node.end_lineno and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    }
    assert long == {}


def test_nothing_has_a_name_for_nothing() -> None:
    files = {part for path in ALL for part in (*path.relative_to(ROOT).parts[:-1], path.stem)}
    definitions = {
        node.name for path in ALL for node in ast.walk(tree_of(path)) if isinstance(node, Function | ast.ClassDef)
    }
    assert [name for name in sorted(files | definitions) if NAMES_FOR_NOTHING.search(name)] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [name_of(path) for path in ALL if path.read_text().strip() and not ast.get_docstring(tree_of(path))]
    assert silent == []


# ---- detectors: one file, one line, one row of the README --------------------------------------------------


def readme() -> list[str]:
    return (ROOT / "README.md").read_text(encoding="utf-8").splitlines()


def test_every_detector_has_a_file_a_line_and_a_row() -> None:
    from mine.detectors import DETECTORS

    keys = [detector.key for detector in DETECTORS]
    files = {path.stem for path in modules("mine/detectors")} - {"__init__", "base"}
    assert len(keys) == len(set(keys))
    assert set(keys) == files, "a detector's file is named by its key, and stands in DETECTORS"
    rows = [line for line in readme() if line.lstrip().startswith("|")]
    assert [key for key in keys if not any(f"`{key}`" in row for row in rows)] == []


def test_the_readme_is_short() -> None:
    assert len(readme()) <= README_LINES


# ---- what the repository does not say ----------------------------------------------------------------------


def tracked() -> list[Path]:
    """Every file that is or would be committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in done.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_registry_and_no_path_of_a_machine_is_named() -> None:
    found = {
        name_of(path): [word.decode() for word in UNSAID if word in content]
        for path in tracked()
        for content in [path.read_bytes()]
        if any(word in content for word in UNSAID)
    }
    assert found == {}


def test_nothing_is_left_to_do() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "Not" + "ImplementedError", "X" * 3)
    found = {
        name_of(path): [word for word in words if re.search(rf"\b{word}\b", path.read_text(encoding="utf-8"))]
        for path in ALL
    }
    assert {path: left for path, left in found.items() if left} == {}
