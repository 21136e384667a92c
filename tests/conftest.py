"""What holds for every test."""

import hypothesis_profiles

hypothesis_profiles.load()
