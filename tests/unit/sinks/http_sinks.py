"""What tests of the HTTP sink send, and a clock for it."""

import orjson

from connector.model import Message

TIME = 1_767_225_600


def event(number, **more):
    body = {"event": {"n": number, **more}}
    return Message(number, f"notification-{number}", orjson.dumps(body), TIME)


class Sleeper:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
