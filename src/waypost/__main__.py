"""`python -m waypost` is the command line."""

from waypost.cli.main import main

main()
