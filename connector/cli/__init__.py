"""The command line: arguments in, an operation called, the result shown.

`main` has the group and the short commands; the others have a module of their own, named as the command. `command` is
what they share, `terminal` shows progress and tables, `service` runs until it is asked to end and attends to signals.
"""
