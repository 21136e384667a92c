"""What moves data, and knows no kind of source, journal, format or sink by name.

`loops` is the heart: fetch into the journal, deliver out of it. `versions` decides what is new and what has changed;
`runner` gives each source and route a thread, `waiting` says how long one waits after a failure, and `look_ups` asks
for what notifications name.
"""
