"""How other systems are reached, by whichever source or sink: in order of reading.

`http` has the one HTTP client, bounded in time and size; `login` how it says who it is; `kafka` what source and sink of
Kafka share; `hiding` takes secrets out of what others say.
"""
