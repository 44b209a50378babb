"""Small programs that make one mistake each, and others that look like it and are right.

They use nothing of Fieldstone but the guard, so that they run on the SQLAlchemy that a foreign program
brings.
`python -m tests.guard.corpus URL...` runs all of them on databases that it may empty.
"""
