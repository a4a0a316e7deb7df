"""What is known: pictures, sightings, scores, findings, verdicts, mixes, cards. Never loads tensorflow."""
