"""Compile time: from a mapping's YAML to a `rendering.Program`, once, when it is loaded.

`compiler` walks the sections of the YAML, its names and documents; `values` writes what each is made of, `texts` the
expressions in that, and `location` says where one stands. `writing` makes Python of objects, lists and texts. Of each
expression's tree `checking` finds what types it may have and refuses what cannot work, `folding` makes another tree,
with what is the same for every notification put in, and `proving` finds what its value is bound to look like, for the
format. They answer different questions of the same tree: types say what may be done with a value, a shape says what
need not be looked at.
"""
