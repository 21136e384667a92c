"""The mapping language: a YAML file shaped like its output, with JMESPath at the leaves (docs/mappings.md)."""

from connector.mapping.compilation.compiler import Site
from connector.mapping.compiled import CompiledMapping, Watch, compile_condition, compile_mapping, load
from connector.mapping.overlay import lay

__all__ = ["CompiledMapping", "Site", "Watch", "compile_condition", "compile_mapping", "lay", "load"]
