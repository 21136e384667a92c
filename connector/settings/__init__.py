"""What a user writes down: YAML with positions, options validated, secrets by reference.

`config` fills in and validates any section; `yamldoc` is a YAML file that knows where each value stands; `server` and
`telemetry` are sections that no room of their own has.
"""
