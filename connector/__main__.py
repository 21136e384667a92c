"""`python -m connector` is `iocstream`."""

from connector.cli import main

main()
