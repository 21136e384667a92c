"""The command line: arguments in, an operation called, the result shown.

Each command has a module named as it. `main` joins them, and makes an exit code of an error. `command` is what they
share, `terminal` shows progress and tables, `service` runs until it is asked to end and attends to signals,
`demonstration` is what `demo` does, `allocation` keeps the memory of a long run small, `teaching` has the groups
and examples of `--help`, `rates` what `top` counts, `errors` the codes of errors, `templates` what `init` writes.
"""
