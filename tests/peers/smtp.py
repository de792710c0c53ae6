"""A private smtp for the tests."""
