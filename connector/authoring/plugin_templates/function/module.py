"""A function for mappings of the IoC-Stream Connector."""

from connector.plugin import STRING, MappingFunction, Parameter


def new_name(text: str) -> str:
    """The text with its dots in brackets, so that nobody follows it by accident.

    new_name('evil.example') → "evil[.]example"
    """
    return text.replace(".", "[.]")


FUNCTION = MappingFunction(contract=1, call=new_name, parameters=(Parameter("text", STRING),), returns=STRING)
