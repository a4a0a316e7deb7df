"""The demo: the whole loop on a small web of this machine, made of real and drawn benign pictures."""
