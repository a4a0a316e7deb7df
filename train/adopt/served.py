"""Adopts a model behind a URL as a version that only scores: nothing of it lies here but what it answered.

Asks the server; writes `models/<version>/card.json`.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np

from mine.runtimes.tf_serving import FIRST_TIMEOUT_S, Served, predict_url, probe_picture
from store.cards import Card
from store.errors import CardError
from train.adopt.owner import OwnerCard, runs_of
from train.publish import Proof, publish_score_only


def adopt_url(url: str, owner: OwnerCard, fields: dict[str, Any], models: Path, proof: Proof) -> Card:
    """Ask the model once and keep what it answers, so that another one in its place is noticed.

    Raises UsageError for a URL that is none, ModelError when nobody answers there or with nonsense, CardError for NaN.
    """
    runs = runs_of(owner, backend="tf_serving", url=predict_url(url))
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    asked = {"version": "adopting", "base": "", "files": {}, "made_at": now, "level": "score_only", "runs": runs}
    answer = Served(Card(**{**fields, **asked}), FIRST_TIMEOUT_S)(probe_picture(fields["input_px"]))["probabilities"][0]
    if not np.isfinite(answer).all():
        raise CardError(f"{runs.url}: answers NaN or infinity to plain noise; the model is broken")
    runs = runs.model_copy(update={"probe": tuple(round(float(one), 6) for one in answer)})
    return publish_score_only(models, {**fields, "runs": runs}, str(runs.url), proof=proof)
