"""STIX 2.1.

`format` is what a mapping and the pipeline call. `objects` and `observables` know each type, `schema` what makes a
document valid, `values` and `pattern` the syntax of single properties, `proof` what need not be looked at again, and
`shared_objects` what all others rest on: identities, marking, extension definition.
"""
