from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mfa', '0004_key_rotations'),
    ]

    operations = [
        migrations.CreateModel(
            name='Shredding',
            fields=[
                ('subject', models.UUIDField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.AlterField(
            model_name='invitation',
            name='expires_at',
            field=models.DateTimeField(db_index=True),
        ),
        migrations.AlterField(
            model_name='remembereddevice',
            name='expires_at',
            field=models.DateTimeField(db_index=True),
        ),
    ]
