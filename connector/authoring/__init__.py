"""Tools for those who write mappings: testing, checking, explaining, comparing and starting one."""
