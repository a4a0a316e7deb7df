"""Which hosts are worth asking: learned from findings and verdicts in the snapshot."""
