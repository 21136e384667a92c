"""`python -m connector` is `iocstream`."""

from connector.cli.main import main

main()
