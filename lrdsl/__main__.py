"""`python -m lrdsl` is the command `lrdsl`."""

from lrdsl.cli.main import main

main()
