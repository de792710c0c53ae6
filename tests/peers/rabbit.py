"""A private rabbit for the tests."""
