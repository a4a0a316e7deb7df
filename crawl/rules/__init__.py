"""What a polite and wary crawler goes by: robots.txt, directives, spacing, traps, what an answer means. Pure."""
