"""The domain shoebox: small grey pictures of garments, with handwritten digits among them."""
