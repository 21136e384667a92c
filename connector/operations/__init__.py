"""What a person does to a journal or asks of a configuration, one module for each: check, push, replay, dead letters.

A command, an action and the library call the same function.
"""
