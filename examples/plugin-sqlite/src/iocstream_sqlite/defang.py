"""The function `defang` for mappings."""

from connector.plugin import STRING, MappingFunction, Parameter


def defang(text: str) -> str:
    """The text, so that nobody follows it by accident: dots in brackets, and hxxp for http.

    defang('http://evil.example/a') → "hxxp://evil[.]example/a"
    """
    return text.replace("http", "hxxp").replace(".", "[.]")


FUNCTION = MappingFunction(contract=1, call=defang, parameters=(Parameter("text", STRING),), returns=STRING)
