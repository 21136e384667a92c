"""The expression language: JMESPath with functions of our own.

`expressions` parses text into the jmespath library's tree; `placeholders` finds expressions inside other text.
`functions` are ours, in the types of `json_types`, and `plugin_functions` those of others; `guarding` is what one of
ours asks. `generation` makes Python of a tree, node by node, in the words of `code`; `operations` are what that calls,
and `budget` is what it may spend. `interpreter` is the library's own evaluation, complete and slow: what `generation`
is held to, and what explains.
"""
