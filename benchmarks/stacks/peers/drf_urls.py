"""The routes of the Django REST framework stack; imported when Django is configured."""

from typing import Any

from django.urls import path
from rest_framework import generics, pagination, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from benchmarks.stacks.peers.django_tables.models import Assignment, Event, Project, Task, Worker


class TaskSerializer(serializers.ModelSerializer):
    project_id = serializers.PrimaryKeyRelatedField(
        source="project", queryset=Project.objects.all(), write_only=True, required=False
    )

    class Meta:
        model = Task
        fields = ("id", "title", "status", "progress_percent", "created_at", "project_id")


class ProjectSerializer(serializers.ModelSerializer):
    class Meta:
        model = Project
        fields = ("id", "name")


class WorkerSerializer(serializers.ModelSerializer):
    class Meta:
        model = Worker
        fields = ("id", "name")


class AssignmentSerializer(serializers.ModelSerializer):
    worker = WorkerSerializer()

    class Meta:
        model = Assignment
        fields = ("role", "worker")


class WholeTaskSerializer(serializers.ModelSerializer):
    project = ProjectSerializer()
    assignments = AssignmentSerializer(many=True)

    class Meta:
        model = Task
        fields = ("id", "title", "status", "progress_percent", "created_at", "project", "assignments")


class EventSerializer(serializers.ModelSerializer):
    class Meta:
        model = Event
        fields = ("id", "at", "kind")


class NewTaskSerializer(serializers.ModelSerializer):
    """A row of many: the key of the project is taken as it is, which the database checks."""

    project_id = serializers.IntegerField(required=False)

    class Meta:
        model = Task
        fields = ("title", "status", "progress_percent", "created_at", "project_id")


class TaskViewSet(viewsets.ModelViewSet):
    queryset = Task.objects.order_by("id")
    serializer_class = TaskSerializer
    pagination_class = None

    def filter_queryset(self, queryset: Any) -> Any:
        """Cut lists, and nothing else."""
        if self.action not in {"list", "full"}:
            return queryset
        offset = int(self.request.query_params.get("offset", 0))
        return queryset[offset : offset + int(self.request.query_params.get("limit", 100))]

    @action(detail=False)
    def full(self, request: Any) -> Response:
        whole = self.get_queryset().select_related("project").prefetch_related("assignments__worker")
        return Response(WholeTaskSerializer(self.filter_queryset(whole), many=True).data)

    @action(detail=False, methods=["post"])
    def bulk(self, request: Any) -> Response:
        rows = NewTaskSerializer(data=request.data, many=True)
        rows.is_valid(raise_exception=True)
        made = Task.objects.bulk_create([Task(**one) for one in rows.validated_data])
        return Response({"created": len(made)}, status=status.HTTP_201_CREATED)


class LatestFirst(pagination.CursorPagination):
    page_size = 100
    ordering = ("-at", "-id")


class EventList(generics.ListAPIView):
    queryset = Event.objects.all()
    serializer_class = EventSerializer
    pagination_class = LatestFirst


router = SimpleRouter(trailing_slash=False)
router.register("tasks", TaskViewSet)
urlpatterns = [*router.urls, path("events", EventList.as_view())]
