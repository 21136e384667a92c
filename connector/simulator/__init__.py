"""Stand-ins on loopback for the demo, the tests and a user's dry run: the IoC-Stream API and two receivers.

They know nothing of the connector, so that what passes between them is what passes on the wire.
"""
