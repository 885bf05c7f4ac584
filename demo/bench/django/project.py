"""The settings of a small django-tenants project; written into the benchmark's folder by labor-bench-migrator."""
import os

SECRET_KEY = "of the benchmark"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SHARED_APPS = ["django_tenants", "django.contrib.contenttypes", "fleet"]
TENANT_APPS = ["practice"]
INSTALLED_APPS = SHARED_APPS + TENANT_APPS
TENANT_MODEL = "fleet.Practice"
TENANT_DOMAIN_MODEL = "fleet.Address"
TENANT_MULTIPROCESSING_MAX_PROCESSES = 2
TENANT_MULTIPROCESSING_CHUNKS = 2
DATABASE_ROUTERS = ("django_tenants.routers.TenantSyncRouter",)
DATABASES = {
    "default": {
        "ENGINE": "django_tenants.postgresql_backend",
        "NAME": "django",
        "USER": "postgres",
        "PASSWORD": os.environ["PGPASSWORD"],
        "HOST": "127.0.0.1",
        "PORT": os.environ["PGPORT"],
    }
}
