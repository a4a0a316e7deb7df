"""`python -m blindspot` is the command."""

from blindspot.cli import main

main()
