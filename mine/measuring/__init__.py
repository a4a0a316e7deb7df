"""The parts of a measurement: small pictures, colours, ink, texture. Pure functions of pixels."""
