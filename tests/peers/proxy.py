"""A private proxy for the tests."""
