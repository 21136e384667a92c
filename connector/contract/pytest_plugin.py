"""What pytest loads wherever the connector is installed: nothing of the suite, until a test module imports it."""

import pytest

# So that a failure of the suite shows the values that it compared, as one of a test module does.
pytest.register_assert_rewrite("connector.contract")
