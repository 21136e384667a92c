"""What is known to be good, so that nothing we send has it blocked (docs/guards.md).

Read first `guards`: what guards the notifications of one source on one route. Its `matcher` is made of `lists`, which
are read from files (`warninglist`, in JSON) and kept as numbers (`entries`, `networks`); `regexes` are those that a
hostile list cannot make slow. `breadth` tells entries that guard nearly everything. `known_good/` is the list that
comes with the product. The section `guards:` itself is in `connector.settings.guards`.
"""
