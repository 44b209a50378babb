"""Other libraries for the same work, a file each, as their own pages recommend.

They are installed in the benchmark's environment alone, so their types are unknown here.
"""
