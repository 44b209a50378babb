"""The tables of the work, which exist already: "Integrating Django with a legacy database"."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Project(models.Model):
    name = models.CharField(max_length=200)

    class Meta:
        managed = False
        db_table = "project"


class Worker(models.Model):
    id = models.CharField(primary_key=True, max_length=40)
    name = models.CharField(max_length=200)

    class Meta:
        managed = False
        db_table = "worker"


class Status(models.TextChoices):
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class Task(models.Model):
    title = models.CharField(max_length=200)
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    progress_percent = models.IntegerField(
        default=0, validators=[MinValueValidator(0), MaxValueValidator(100)]
    )
    created_at = models.DateTimeField()
    project = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="tasks")

    class Meta:
        managed = False
        db_table = "task"


class Assignment(models.Model):
    pk = models.CompositePrimaryKey("task_id", "worker_id")
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="assignments")
    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="assignments")
    role = models.CharField(max_length=40, default="assignee")

    class Meta:
        managed = False
        db_table = "assignment"


class Event(models.Model):
    at = models.IntegerField()
    kind = models.CharField(max_length=20)

    class Meta:
        managed = False
        db_table = "event"
