from __future__ import annotations

import re
from pathlib import Path

import crawl
from crawl.reasons import REASONS


def test_every_reason_in_the_code_is_explained() -> None:
    """Reason codes are documented words: whoever writes a new one adds its row."""
    package = Path(crawl.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    used = set(re.findall(r'(?:Refused\(|Failed\(|Gone\(|gone\(entry, |refuse(?:d)?\([^"]*?, )"([a-z_]+)"', text))
    assert used >= {"too_large", "bad_url", "not_a_page"}
    assert used <= set(REASONS)
