"""A column and an index, as in the contest of the others."""
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("practice", "0001_initial")]
    operations = [
        migrations.AddField("report", "bench_n", models.IntegerField(null=True, db_comment="Of the benchmark")),
        migrations.AddIndex("report", models.Index(fields=["bench_n"], name="bench_n")),
    ]
