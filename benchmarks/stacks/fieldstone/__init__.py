"""Fieldstone, as its pages say: read.md, write.md and serve.md.

Six ways to serve one set of models: bytes or objects, in endpoints written by hand, and generated routes;
each for asynchronous and for plain sessions.
"""
