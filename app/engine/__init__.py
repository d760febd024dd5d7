"""The planned executor: a validated operation becomes a plan, which fetches level by level and builds plain values.

Rules:
1. A plan is made once for an operation and the values of the variables in its @skip and @include; it serves every later request.
2. Fields are of three kinds, told by the schema's bindings: attributes of a row, relations (fetched in batches, one call for a
   relation and level), and root fields, whose ordinary resolvers are called.
3. A plan never answers an error. Whatever is out of order (a null where there must be none, an exception, an argument that is not
   acceptable) is an `Anomaly`: the caller completes the operation by graphql-core, whose answer is right by definition.
4. What is not understood is `Uncovered` when the plan is made, and runs on graphql-core as a whole.
The engine knows graphql-core and nothing of what is fetched.
"""

from app.engine.arguments import flag_variables
from app.engine.bindings import Attribute, Binding, Bindings, Derived, ListPage, Lookup, ToMany, ToOne
from app.engine.compiling import Compilation, compile_operation
from app.engine.completing import Completing
from app.engine.cost import Estimate, Formula, ListSize
from app.engine.cost_explaining import explain
from app.engine.costing import Costing, TooComplex
from app.engine.plan import Plan
from app.engine.rendering import (
    Rendered,
    Renderer,
    Shown,
    ShownLeaf,
    ShownList,
    ShownOne,
    ShownRows,
    ShownText,
    as_json,
    counted_lists,
    lists_in,
)
from app.engine.steps import Anomaly, Run, Uncovered
from app.engine.variables import Variables

__all__ = [
    "Anomaly",
    "Attribute",
    "Binding",
    "Bindings",
    "Compilation",
    "Completing",
    "Costing",
    "Derived",
    "Estimate",
    "Formula",
    "ListPage",
    "ListSize",
    "Lookup",
    "Plan",
    "Rendered",
    "Renderer",
    "Run",
    "Shown",
    "ShownLeaf",
    "ShownList",
    "ShownOne",
    "ShownRows",
    "ShownText",
    "ToMany",
    "ToOne",
    "TooComplex",
    "Uncovered",
    "Variables",
    "as_json",
    "compile_operation",
    "counted_lists",
    "explain",
    "flag_variables",
    "lists_in",
]
