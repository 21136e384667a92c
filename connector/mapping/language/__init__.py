"""The expression language: JMESPath with functions of our own.

`expressions` parses text into the jmespath library's tree; `placeholders` finds expressions inside other text.
`functions` are ours, in the types of `json_types`; `guarding` is what one of them asks.
A tree is evaluated in one of two ways: `interpreter` is the library's own, complete and slow; `closures` makes a
Python function of the tree, several times as fast, and leaves to the first what is rare.
"""
