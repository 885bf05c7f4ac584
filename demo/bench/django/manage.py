"""manage.py with one command more: `first` makes the first tenant as django-tenants makes it."""
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "project"

if sys.argv[1:] == ["first"]:
    import django

    django.setup()
    from fleet.models import Practice

    Practice(schema_name="t00001", name="t00001").save(verbosity=0)
else:
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
