"""VirusTotal's IoC Stream.

`source` is what the pipeline calls; `walk` decides what to ask for next and what to remember, `api` asks, `subjects`
looks up what a notification names.
"""
