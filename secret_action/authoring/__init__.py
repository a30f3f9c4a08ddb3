"""Edits that people would make by hand in a tenant: a secret more, or a whole service.

A room above `manifest` and `report`: it reads a tenant, changes it in a draft, proves that the outcome is right, and
only then writes. It never sees a value.
"""
