"""Compile time: from a mapping's YAML to a `rendering.Program`, once, when it is loaded.

`compiler` walks the YAML. For each expression `checking` refuses what cannot work, `folding` puts in what is the same
for every notification, and `proving` finds what its value is bound to look like.
"""
