"""Suites that come with the package."""
