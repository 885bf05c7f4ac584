"""About the tables of a practice of Labor (db/migrations/tenant), as Django models."""
from django.db import models


class Patient(models.Model):
    id = models.UUIDField(primary_key=True)
    identity_key = models.TextField(unique=True)
    patient_number = models.TextField(null=True)
    family_name = models.TextField()
    given_name = models.TextField()
    birth_date = models.DateField(null=True)
    sex = models.TextField()
    insurance_number = models.TextField(null=True)
    created_at = models.DateTimeField()


class User(models.Model):
    id = models.UUIDField(primary_key=True)
    username = models.TextField(unique=True)
    password_hash = models.TextField()
    role = models.TextField()
    display_name = models.TextField()
    patient = models.ForeignKey("Patient", models.PROTECT, null=True, related_name="+")
    active = models.BooleanField()
    created_at = models.DateTimeField()


class RawMessage(models.Model):
    id = models.UUIDField(primary_key=True)
    source_id = models.UUIDField()
    sender_message_id = models.TextField(null=True)
    sha256 = models.BinaryField()
    body = models.BinaryField()
    content_type = models.TextField(null=True)
    state = models.TextField()
    reason = models.TextField(null=True)
    format = models.TextField(null=True)
    charset = models.TextField(null=True)
    warnings = models.JSONField(default=list)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True)


class Order(models.Model):
    id = models.UUIDField(primary_key=True)
    laboratory = models.TextField()
    lab_order_number = models.TextField()
    order_number = models.TextField(null=True)
    patient = models.ForeignKey("Patient", models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()


class Report(models.Model):
    id = models.UUIDField(primary_key=True)
    raw_message = models.ForeignKey("RawMessage", models.PROTECT, related_name="+")
    record_index = models.IntegerField()
    order = models.ForeignKey("Order", models.PROTECT, null=True, related_name="+")
    patient = models.ForeignKey("Patient", models.PROTECT, null=True, related_name="+")
    report_key = models.TextField()
    version = models.IntegerField()
    superseded_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    content_sha256 = models.BinaryField()
    kind = models.TextField()
    status = models.TextField()
    laboratory_name = models.TextField()
    subject_family_name = models.TextField(null=True)
    subject_given_name = models.TextField(null=True)
    subject_birth_date = models.DateField(null=True)
    order_number = models.TextField(null=True)
    lab_order_number = models.TextField(null=True)
    reported_on = models.DateField(null=True)
    critical = models.BooleanField()
    genetic = models.BooleanField()
    invalidates_earlier = models.BooleanField()
    notes = models.TextField()
    unmapped = models.JSONField(default=list)
    received_at = models.DateTimeField()
    confirmed_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)


class Observation(models.Model):
    id = models.UUIDField(primary_key=True)
    report = models.ForeignKey("Report", models.PROTECT, related_name="+")
    patient = models.ForeignKey("Patient", models.PROTECT, null=True, related_name="+")
    position = models.IntegerField()
    test_code = models.TextField()
    test_name = models.TextField(null=True)
    loinc = models.TextField(null=True)
    specimen = models.TextField(null=True)
    status = models.TextField()
    status_code = models.TextField(null=True)
    value_text = models.TextField(null=True)
    value_comparator = models.TextField(null=True)
    value_number = models.FloatField(null=True)
    unit = models.TextField(null=True)
    reference_text = models.TextField(null=True)
    reference_low = models.TextField(null=True)
    reference_high = models.TextField(null=True)
    reference_unit = models.TextField(null=True)
    flag = models.TextField(null=True)
    interpretation = models.TextField(null=True)
    critical = models.BooleanField()
    collected_at = models.TextField(null=True)
    effective_at = models.DateTimeField()
    notes = models.TextField()


class Document(models.Model):
    id = models.UUIDField(primary_key=True)
    report = models.ForeignKey("Report", models.PROTECT, related_name="+")
    raw_message = models.ForeignKey("RawMessage", models.PROTECT, related_name="+")
    position = models.IntegerField()
    media_type = models.TextField()
    sha256 = models.BinaryField()
    size_bytes = models.BigIntegerField()
    scan_state = models.TextField()
    created_at = models.DateTimeField()


class Audit(models.Model):
    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    actor = models.TextField()
    actor_role = models.TextField()
    action = models.TextField()
    object_kind = models.TextField()
    object_id = models.UUIDField(null=True)
    outcome = models.TextField()
    request_id = models.UUIDField(null=True)
