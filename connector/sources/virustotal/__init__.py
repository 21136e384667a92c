"""VirusTotal's IoC Stream.

`source` is what the pipeline calls; `walk` decides what to ask for next and what to remember, `pages` reads as much of
a page as can be read (`stream_page`), `detour` goes around what cannot, `api` asks. A `backlog` is read ahead in
`slices`. `subjects` looks up what a notification names and is about (`techniques`). `spending` says who may spend
quota, and counts it.
"""
