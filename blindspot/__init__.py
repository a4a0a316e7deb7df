"""The front door: the command, its settings, and the loops that join the jobs. One owner's workspace is a *home*."""
