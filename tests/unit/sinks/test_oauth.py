import subprocess
import sys


def test_the_library_for_oauth_is_imported_by_those_who_use_it():
    program = "import sys, connector.sinks.http.sink; sys.exit('oauthlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
