"""What a user writes down: YAML with positions, options validated, secrets by reference.

`yamldoc` is a YAML file that knows the line of each value; `config` fills in `${…}` and validates any section;
`options` knows which options there are, for errors about one in the wrong place.
`token_file` has the tokens that commands make and revoke while the server runs.
`server`, `telemetry`, `guards` and `producer` are sections; the options of a source, sink or journal are in its own
folder, those of a route in `connector/configuration.py`. `parts` is what every kind of source and sink says of itself.
"""
