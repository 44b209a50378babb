"""A Django application with the tables of the work, for django-ninja and DRF."""
