"""`python -m medrec` is `medrec`."""

from medrec.cli.app import main

main()
