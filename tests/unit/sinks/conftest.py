from contextlib import ExitStack, closing

import certificates as certificate_files
import pytest
from unit.sinks.http_sinks import Sleeper

from connector.simulator.wsgi_server import serving
from connector.sinks.http.sink import HttpSink, HttpSinkSettings


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return certificate_files.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def open_sink():
    """Opens an HTTP sink to an imitation of a receiver, which is served until the test ends."""
    with ExitStack() as stack:

        def open_sink(receiver, to, sleeper=None, **options):
            url = stack.enter_context(serving(receiver))
            if "oauth" in options:
                options["oauth"] = {**options["oauth"], "token_url": f"{url}/token"}
            settings = HttpSinkSettings(to=to, url=url, timeout_seconds=5, **options)
            sleeper = sleeper or Sleeper()
            sink = HttpSink(settings, user_agent="iocstream-test/1", sleep=sleeper.sleep, clock=sleeper)
            return stack.enter_context(closing(sink))

        yield open_sink
