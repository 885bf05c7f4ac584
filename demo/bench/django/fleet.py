"""Tenants of the benchmark's project."""
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Practice(TenantMixin):
    name = models.CharField(max_length=100)
    auto_create_schema = True


class Address(DomainMixin):
    pass
