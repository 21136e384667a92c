"""What platforms install: packages that call the actions of `iocstream serve`, made from the action registry."""
