"""Completing: graphql-core's executor where a plan has begun."""

from typing import Any

from graphql import GraphQLObjectType
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.executor import Executor
from graphql.pyutils import Path


class Completing(Executor[Any]):
    """graphql-core's executor, which leaves the root fields in `shown` as they were shown before."""

    shown: dict[str, Any] | None = None  # by response key

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: list[FieldDetails],
        path: Path,
        position_context: Any,
    ) -> Any:
        """Execute a field, unless it is one of those."""
        if self.shown and path.prev is None and path.key in self.shown:
            return self.shown[str(path.key)]
        return super().execute_field(parent_type, source, field_details_list, path, position_context)
