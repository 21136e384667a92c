"""Files of notifications: `source` is what the pipeline calls, `json_values` reads a file value by value."""
