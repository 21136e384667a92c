"""Pure functions of values, imported from everywhere.

`identifiers` makes STIX ids, `timestamps` and `addresses` have canonical forms, `jsontext` reads JSON from outside,
`display` makes text safe to show, and `shapes` say what is known of a value before there is one.
"""
