"""STIX 2.1, in reading order.

`format` is what a mapping and the pipeline call. `objects` and `observables` say what each type may have. `schema` puts
checks and rules together, so that they find what is wrong with a document; `values` and `pattern` check single
properties. `proof` leaves out what loading a mapping has proven. `shared_objects` are the identities, marking and
extension definition that all others rest on. `meaning` says which change of an Indicator is news. `strict` has the
library `stix2` read what came of it; `bundle` puts objects into one document.
"""
