"""The demo's report: one HTML file that asks nobody for anything, for a reader who has never seen the project.

Reads the counted data, the gate's judgements, the snapshot, and the example pictures; writes the file.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blindspot.demo import background, results
from blindspot.demo.charts import Errors
from blindspot.demo.examples import galleries
from blindspot.demo.markup import Markup, element, escape, join, section
from store.catalog import Snapshot
from store.files import write_durably
from store.home import Home
from store.policy import read_policy
from store.versions import find_version
from train.certificate import Certificate
from train.evidence import Evidence, gather
from train.gate import Judgement

CONTENTS = (
    ("errors", "Before and after"), ("gate", "Gate"), ("sentinels", "Sentinels"), ("scores", "Scores"),
    ("examples", "Pictures"), ("ordinary", "Ordinary pictures"), ("sql", "SQL"), ("seconds", "Time"), ("next", "Next"),
)  # fmt: skip


def write_page(path: Path, home: Home, data: dict[str, Any], judged: dict[str, Judgement]) -> Path:
    """Write the report to `path`, durably, in place of what was there; gives `path`.

    data: what `count_everything` gives, with `champion`, `note` and `seconds`; judged: label → judgement, of which
    `repaired` must be one. Raises ModelError when a version lacks scores of evaluation pictures.
    """
    # The report calls this module.
    from blindspot.demo.report import QUERIES

    certificate, evidence = judged["repaired"].certificate, _evidence(home, judged["repaired"].certificate)
    target = read_policy(home.policy).targets.false_positive_rate
    families = [str(row["family"]) for row in data["families"]]
    body = join([
        _opening(data, certificate),
        results.errors(data["families"], data["threshold"], target),
        results.gate(data["gate"], judged),
        results.sentinels(data["sentinels"], judged),
        results.scores(evidence, data["threshold"]),
        _examples(home, evidence, families),
        background.ordinary_suite(home, certificate),
        background.queries(home, QUERIES),
        background.time_and_next(data["seconds"], home),
    ])  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, _fill(body).encode("utf-8", "xmlcharrefreplace"))
    return path


def headline(families: results.Rows) -> str:
    """The demo's result in one sentence."""
    whole = results.total([Errors(str(r["family"]), r["n"], r["flagged_before"], r["flagged_after"]) for r in families])
    if not whole.n or whole.first is None or whole.second is None:
        return "No held-out picture of a planted family was judged by both models."
    after = "none" if whole.second == 0 else f"{whole.second:,}"
    return (
        f"The champion flagged {whole.first:,} of {whole.n:,} held-out benign pictures of the planted families; "
        f"the repaired model flags {after} at the same threshold, .5."
    )


def _opening(data: Mapping[str, Any], certificate: Certificate) -> Markup:
    """Headline, what it does not show, and how it came about."""
    note = element("p", data["note"], class_="note") if data.get("note") else None
    links = [element("a", words, href=f"#{key}") for key, words in CONTENTS]
    return element(
        "header",
        element("p", "blindspot demo", class_="soft"),
        element("h1", headline(data["families"])),
        note,
        _not_shown(certificate),
        element("p", *_answer(data, certificate)),
        element("p", _story(data)),
        element("nav", *links, aria_label="On this page"),
    )


def _not_shown(certificate: Certificate) -> Markup:
    misses = (
        "Misses were measured only on the positives suite; see the certificate."
        if certificate.misses_measured
        else "Misses are not measured: no picture that must be flagged was tested, so any share of those may be missed."
    )
    points = (
        misses,
        "Sentinels are no evidence of recall. They can only show that the detector has collapsed.",
        "The demo planted these families in a small web of its own. How many such pictures the real web holds, and "
        "what the model does with others, stays open.",
    )
    listed = element("ul", *(element("li", words) for words in points))
    return element("div", element("h2", "What this does not show"), listed, class_="caution")


def _answer(data: Mapping[str, Any], certificate: Certificate) -> list[object]:
    before, after = data["champion"]["before"], data["champion"]["after"]
    if before == after:
        served: list[object] = [element("code", before), " goes on serving."]
    else:
        served = [element("code", after), " now serves in place of ", element("code", before), "."]
    return ["The gate's answer for the repaired model: ", results.decision_badge(certificate.decision), " ", *served]


def _story(data: Mapping[str, Any]) -> str:
    """What the demo did, in the order in which it did it."""
    findings = ", ".join(f"{n:,} by {detector}" for detector, n in data["findings"].items()) or "none"
    refused = ", ".join(f"{row['n']:,} at {row['stage']} for {row['reason']}" for row in data["refusals"]) or "none"
    return (
        "What happened: an image-moderation model, the champion, was tried on a small web of real pictures that this "
        f"machine served to itself. The store now holds {data['pictures']:,} pictures, the ordinary ones included, in "
        f"{data['copies_groups']:,} groups of copies, seen {data['sightings']:,} times (refused: {refused}). Detectors "
        f"looked for what the model may get wrong (pictures found: {findings}) and queued it for review. A scripted "
        f"reviewer gave {data['verdicts']:,} verdicts from the known truth, the model's head was trained on them, and "
        "a gate compared candidates with the champion on pictures that were held out."
    )


def _examples(home: Home, evidence: Evidence, families: list[str]) -> Markup:
    about = (
        "Of each family the four held-out pictures that the champion scores highest, then of the others the two that "
        "the repaired model scores highest: extremes, chosen by this rule and not by hand. ▲ stands beside flag scores "
        "above .5. All these pictures are harmless, but every page here hides pictures until someone asks: point at "
        "one, move to it with Tab, or tap it. Tiny ones are enlarged."
    )
    return section("examples", "Pictures, before and after", element("p", about), galleries(home, evidence, families))


def _evidence(home: Home, certificate: Certificate) -> Evidence:
    """The evaluation pictures with both models' scores, as the gate saw them."""
    champion, candidate = certificate.champion.version, certificate.candidate.version
    with Snapshot(home) as snapshot:
        return gather(snapshot, champion, candidate, find_version(home, candidate).mix)


def _fill(body: Markup) -> str:
    """The template with its body, its style named by hash in the page's own security policy."""
    template = importlib.resources.files("blindspot.demo").joinpath("page.html").read_text(encoding="utf-8")
    style = template.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    values = {"style": digest, "title": escape("blindspot demo: report"), "body": body}
    return re.sub(r"%%(\w+)%%", lambda match: values[match[1]], template)
