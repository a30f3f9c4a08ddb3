"""Tests. Each one is a sentence about the product."""
