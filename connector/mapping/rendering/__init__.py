"""Run time: what a compiled mapping does to each notification.

`program` runs `match`, `let` and `emit` in order; `values` builds the objects, lists and texts in them.
"""
