"""The proof: what `docs/reliability.md` promises, put to the test for minutes instead of milliseconds.

`make prove` runs all of it and prints one table; `python -m prove --quick` runs a short form; `--only` runs one part.
"""
