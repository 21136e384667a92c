"""The expression language: JMESPath with functions of our own.

`expressions` parses text into the jmespath library's tree; `placeholders` finds expressions inside other text.
`functions` are ours (`uri` does the work of those for URLs), in the types of `json_types`.
`closures` makes the tree a Python function; `interpreter` is the library's own evaluation, for what is rare.
"""
