"""The mapping language: a YAML file shaped like its output, with JMESPath at the leaves (docs/mappings.md).

Read first `compiled`, a mapping as the rest of the program uses it; then `compilation/compiler`, which makes of its
YAML the `rendering/program` that is run for each notification. `language/` is what stands between `${{` and `}}`.
`files` and `overlay` say which YAML a mapping is; `explanation/` why its output is what it is, for people.
`schema` describes the language to editors; `examples` are notifications to try it on. `template` has the language's
expressions where there is no notification, in files that say how something is sent.
"""

from connector.mapping.compiled import CompiledMapping, compile_condition, compile_mapping
from connector.mapping.language.guarding import Guarding
from connector.mapping.overlay import apply_overlay

__all__ = [
    "CompiledMapping",
    "Guarding",
    "apply_overlay",
    "compile_condition",
    "compile_mapping",
]
