"""Pure functions of values, imported from everywhere.

`identifiers` makes STIX ids, `timestamps`, `addresses` and `uri` have canonical forms, `observables` says what a text
names, `assessments` what an entity's attributes come to, `news` which change of what is said is worth telling;
`jsontext` reads JSON from outside, `display` makes text safe to show, `quota` reads what VirusTotal says of an API
key's quota, `host_names` tells which names a server is asked by, `visitors` who goes first when there are too many,
`suggestions` what was probably meant, and `shapes` say what is known of a value before there is one.
"""
