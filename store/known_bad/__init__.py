"""The known-bad bank: lists of hashes of what must never be stored."""
