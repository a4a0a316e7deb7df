"""Every situation that a user can mend has one small exception here; the command prints it as one line."""

# ruff: noqa: N818 -- an exception here is named after its situation

from __future__ import annotations


class BlindspotError(Exception):
    """A failure with one clear line: what was wanted, what came, where, what next.

    `exit_code` is what the command returns (DESIGN of the command: 0 ok, 1 failed, 2 usage, 3 the gate
    rejects, 4 the gate lacks evidence).
    """

    exit_code = 1


class UsageError(BlindspotError):
    """The caller's words are off: a setting, a name, an option."""

    exit_code = 2


class HomeError(BlindspotError):
    """The workspace is missing, or is not what the command needs."""


class SettingsError(UsageError):
    """`blindspot.toml` holds something that is not a setting, or a value out of range."""


class PolicyError(UsageError):
    """The policy file is missing, incomplete or contradicts itself."""


class CardError(BlindspotError):
    """A model card does not fit its model or the policy."""


class ModelError(BlindspotError):
    """A model version is missing, unknown or cannot do what was asked."""


class UnknownModel(ModelError):
    """No model goes by that name: the caller's word is off, as with any other name."""

    exit_code = 2


class AdoptionError(BlindspotError):
    """A foreign model could not be fetched, read or rebuilt."""


class PictureError(BlindspotError):
    """One picture cannot be read; `reason` is a short code that becomes a row in `refusals`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class PictureMissing(BlindspotError):
    """The catalog or a caller names a picture whose bytes are not stored."""


class RecordError(BlindspotError):
    """A record does not have the columns of its kind."""


class InboxFull(BlindspotError):
    """The inbox holds more than its limits and nobody folds it."""


class CatalogBusy(BlindspotError):
    """Another process holds the catalog or the fold's lock."""


class CatalogError(BlindspotError):
    """The catalog or its snapshot cannot be read."""


class QueryError(UsageError):
    """A SQL question is wrong, too slow, or asks for what the console refuses."""


class VerdictError(UsageError):
    """A verdict names a picture, class, policy or reviewer that is not known."""


class SuiteError(UsageError):
    """A suite's name, role or label does not fit."""


class SandboxError(BlindspotError):
    """The workers that look at pictures cannot start; no picture is to blame."""


class CrawlError(BlindspotError):
    """A crawl job could not start or fetched nothing at all."""


class ImportFailed(BlindspotError):
    """An import found files, and not one picture among them."""


class TooFewSamples(BlindspotError):
    """Not enough verdicts to train on."""


class EvidenceError(BlindspotError):
    """Counts or scores given to the gate contradict themselves; nothing can be decided from them."""


class GateRejects(BlindspotError):
    """The gate found the candidate worse than the policy allows."""

    exit_code = 3


class GateLacksEvidence(BlindspotError):
    """The gate cannot tell yet; the message says what more is needed."""

    exit_code = 4


class JobRunning(BlindspotError):
    """Another process crawls for the same job."""


class BankError(BlindspotError):
    """A hash list of the known-bad bank cannot be read, or holds no hash."""
