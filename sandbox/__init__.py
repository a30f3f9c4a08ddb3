"""Local stand-ins for the systems that the product talks to, for the demo and the tests.

Everything here listens on 127.0.0.1 only and holds throw-away data. The product never imports it.
"""
