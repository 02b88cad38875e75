"""Gherkin for Packhorse: features are indexed scenario by scenario."""
