"""Domain packs: benign stand-ins with the truth on both sides. A pack is a folder; nobody outside knows its name."""
