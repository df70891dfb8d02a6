import hypothesis_profiles  # noqa: F401
