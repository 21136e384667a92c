"""VirusTotal's IoC Stream.

`source` is what the pipeline calls; `walk` decides what to ask for next and what to remember, `pages` reads as much of
a page as can be read, `api` asks, `subjects` looks up what a notification names.
"""
