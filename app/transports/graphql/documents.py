"""Documents: parsed, limited and validated once, then known by their text."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    Source,
    parse,
    specified_rules,
    validate,
)
from graphql.execution.executor import Executor

from app.engine import Compilation, Costing, Formula, Plan, Uncovered, compile_operation, flag_variables
from app.infra.metrics import Metrics
from app.settings import Settings
from app.transports.graphql.bindings import binding_of
from app.transports.graphql.costs import PRICES
from app.transports.graphql.limits import Shape, shape_of, too_much
from app.transports.graphql.sharing import Sharing

LONGEST_KEPT = 16 * 1024  # characters; longer documents are rare, and a thousand of them would fill the memory
LIMIT_MESSAGES = {"contains more than": "TOKEN_LIMIT", "nested too deeply": "DEPTH_LIMIT"}  # the parser has no codes
MAX_ERRORS = 20  # in one answer
MAX_PLANS = 16  # of one document: operations times values of its flags; beyond, graphql-core executes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a document is not executed: errors with one code."""

    code: str
    errors: list[GraphQLError]


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document and its operations by name; an anonymous one has the name None."""

    ast: DocumentNode
    operations: dict[str | None, OperationDefinitionNode]
    flags: tuple[str, ...]  # the variables in its @skip and @include
    depth: int  # of its deepest operation
    plans: dict[tuple[Any, ...], Plan | None] = field(default_factory=dict)  # by operation and flags; None: not covered
    formulas: dict[tuple[Any, ...], Formula] = field(default_factory=dict)  # by the same
    uncovered: dict[tuple[Any, ...], str] = field(default_factory=dict)  # why there is no plan, by the same
    sharing: dict[str | None, Sharing] = field(default_factory=dict)  # of its subscriptions, by their name

    def plan(self, executor: Executor[Any]) -> Plan | None:
        """Return the plan of an operation whose variables are coerced, None where it runs on graphql-core as a whole."""
        operation, variables = executor.operation, executor.variable_values
        key = self._key(executor)
        if key not in self.plans:
            if len(self.plans) >= MAX_PLANS:
                return None
            source = Compilation(executor.schema, binding_of, executor.fragments, operation, variables)
            try:
                self.plans[key] = compile_operation(source)
            except Uncovered as why:
                self.plans[key], self.uncovered[key] = None, str(why)
        return self.plans[key]

    def why_unplanned(self, executor: Executor[Any]) -> str:
        """Return why `plan` gave None."""
        return self.uncovered.get(self._key(executor), "more plans than are kept of one document")

    def formula(self, executor: Executor[Any], *, largest_size: int) -> Formula:
        """Return the formula of the cost of an operation whose variables are coerced.

        Raises:
            TooComplex: it has too many distinct selections.
        """
        key = self._key(executor)
        formula = self.formulas.get(key)
        if formula is None:
            fragments, operation, variables = executor.fragments, executor.operation, executor.variable_values
            formula = Costing(executor.schema, PRICES, fragments, operation, variables, largest_size).formula()
            if len(self.formulas) < MAX_PLANS:
                self.formulas[key] = formula
        return formula

    def _key(self, executor: Executor[Any]) -> tuple[Any, ...]:
        """Return what tells an operation with the values of its flags from the document's others."""
        name = executor.operation.name.value if executor.operation.name else None
        coerced = executor.variable_values.coerced
        return (name, *(coerced.get(flag) for flag in self.flags))

    def operation(self, name: str | None) -> OperationDefinitionNode | Refusal:
        """Return the operation that a request means: the named one, or the only one."""
        if name is not None:
            found = self.operations.get(name)
            problem = f"There is no operation named {name[:80]!r} in the document."
        else:
            found = next(iter(self.operations.values())) if len(self.operations) == 1 else None
            problem = "The document has several operations: say which one with operationName."
        if not self.operations:
            problem = "The document has no operation to execute."
        return found or Refusal("OPERATION_RESOLUTION_FAILURE", [GraphQLError(problem)])


class Documents:
    """The documents of this process, the most recently used ones kept."""

    def __init__(self, schema: GraphQLSchema, settings: Settings, metrics: Metrics | None = None) -> None:
        self.schema = schema
        metrics = metrics or Metrics()
        self._lookups, self._evictions = metrics.document_lookups, metrics.document_evictions
        self._settings = settings
        self.hides_suggestions = not settings.allows_introspection
        self._rules = (*specified_rules, NoSchemaIntrospectionCustomRule) if self.hides_suggestions else specified_rules
        self._kept: OrderedDict[str, Document | Refusal] = OrderedDict()

    def knows(self, text: str) -> bool:
        """Say whether the document of this text was read already."""
        return text in self._kept

    def get(self, text: str) -> Document | Refusal:
        """Return the document of this text, or why it is refused. About a millisecond the first time."""
        known = self._kept.get(text)
        if known is not None:
            self._lookups.add("hit")
            self._kept.move_to_end(text)
            return known
        self._lookups.add("miss")
        document = self._read(text)
        if len(text) <= LONGEST_KEPT:
            self._kept[text] = document
            if len(self._kept) > self._settings.max_documents:
                self._kept.popitem(last=False)
                self._evictions.add()
        return document

    def _read(self, text: str) -> Document | Refusal:
        limits = self._settings
        try:
            ast = parse(Source(text), max_lexical_tokens=limits.max_tokens, max_comments=limits.max_tokens)
            shape = shape_of(ast)
        except GraphQLSyntaxError as error:
            code = next((code for words, code in LIMIT_MESSAGES.items() if words in error.message), "GRAPHQL_PARSE_FAILED")
            return Refusal(code, [error])
        except RecursionError:
            shape = Shape(depth=limits.max_depth + 1)
        if refusal := too_much(shape, limits):
            code, problem = refusal
            return Refusal(code, [GraphQLError(problem)])
        return self._validated(ast, shape.depth)

    def _validated(self, ast: DocumentNode, depth: int) -> Document | Refusal:
        errors = validate(self.schema, ast, self._rules, max_errors=MAX_ERRORS, hide_suggestions=self.hides_suggestions)
        if errors:
            introspection = self.hides_suggestions and any("introspection has been disabled" in error.message for error in errors)
            return Refusal("INTROSPECTION_DISABLED" if introspection else "GRAPHQL_VALIDATION_FAILED", errors)
        operations = [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]
        named = {node.name.value if node.name else None: node for node in operations}
        return Document(ast, named, flag_variables(ast), depth)


def is_mutation(operation: OperationDefinitionNode) -> bool:
    """Say whether the operation changes something."""
    return operation.operation == OperationType.MUTATION


def is_subscription(operation: OperationDefinitionNode) -> bool:
    """Say whether the operation listens."""
    return operation.operation == OperationType.SUBSCRIPTION
