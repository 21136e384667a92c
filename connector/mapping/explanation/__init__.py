"""Why a mapping's output is what it is, for people to look at: a second, slower rendering.

`recording` renders with every value written down, `reads` finds what an expression read, and `explainer` puts both
beside the mapping's YAML.
"""

from connector.mapping.explanation.explainer import Evaluation, ExplainedValue, Explainer, Explanation
from connector.mapping.explanation.reads import ScopePath

__all__ = ["Evaluation", "ExplainedValue", "Explainer", "Explanation", "ScopePath"]
