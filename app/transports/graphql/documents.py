"""Documents: parsed, limited and validated once, then known by their text."""

from collections import OrderedDict
from collections.abc import Callable
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
from graphql.execution.values import VariableValues

from app.engine import Compilation, Completing, Costing, Formula, Plan, Uncovered, Variables, compile_operation, flag_variables
from app.infra.metrics import Metrics
from app.settings import Settings
from app.transports.graphql.bindings import binding_of
from app.transports.graphql.cache_policy import Policy, policy_of
from app.transports.graphql.costs import PRICES
from app.transports.graphql.limits import Shape, shape_of, too_much
from app.transports.graphql.sharing import Sharing, sharing_of

LONGEST_KEPT = 16 * 1024  # characters; longer documents are rare, and a thousand of them would fill the memory
LIMIT_MESSAGES = {"contains more than": "TOKEN_LIMIT", "nested too deeply": "DEPTH_LIMIT"}  # the parser has no codes
MAX_ERRORS = 20  # in one answer
MAX_COERCION_ERRORS = 5
MAX_PLANS = 16  # of one operation: values of its flags; beyond, graphql-core executes


HIT = ("hit",)  # of the label of document look-ups


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a document is not executed: errors with one code."""

    code: str
    errors: list[GraphQLError]


@dataclass(slots=True, eq=False)
class Operation:
    """One operation of a valid document, with all that is known of it before its variables."""

    schema: GraphQLSchema
    ast: DocumentNode
    node: OperationDefinitionNode
    flags: tuple[str, ...]  # the variables in the document's @skip and @include
    depth: int  # of the document's deepest operation
    plans: dict[tuple[Any, ...], Plan | Uncovered] = field(default_factory=dict)  # by the flags' values
    formulas: dict[tuple[Any, ...], Formula] = field(default_factory=dict)  # by the same
    name: str | None = field(init=False)  # None for an anonymous one
    is_mutation: bool = field(init=False)  # it changes something
    is_subscription: bool = field(init=False)  # it listens
    kept_variables: Variables = field(init=False)
    kept_policy: Policy | None = None
    kept_sharing: Sharing | None = None

    def __post_init__(self) -> None:
        self.name = self.node.name.value if self.node.name else None
        self.is_mutation = self.node.operation is OperationType.MUTATION
        self.is_subscription = self.node.operation is OperationType.SUBSCRIPTION
        self.kept_variables = Variables(self.schema, self.node)

    @property
    def policy(self) -> Policy:
        """How long its answers stay good, and whose they are."""
        if self.kept_policy is None:
            self.kept_policy = policy_of(self.schema, self.ast, self.node)
        return self.kept_policy

    @property
    def sharing(self) -> Sharing:
        """What tells the listeners of a subscription apart."""
        if self.kept_sharing is None:
            self.kept_sharing = sharing_of(self.schema, self.ast, self.node)
        return self.kept_sharing

    def variables(self, given: dict[str, Any] | None, *, hide_suggestions: bool) -> VariableValues | Refusal:
        """Return the coerced variables, or why they are refused."""
        coerced = self.kept_variables.coerced(given or {}, max_errors=MAX_COERCION_ERRORS, hide_suggestions=hide_suggestions)
        return Refusal("BAD_USER_INPUT", coerced) if isinstance(coerced, list) else coerced

    def executor(self, context: Any, given: dict[str, Any] | None, *, hide_suggestions: bool = False) -> Completing:
        """Return graphql-core's executor of this operation, with variables that were coerced before and so are acceptable."""
        executor = Completing.build(
            self.schema,
            self.ast,
            context_value=context,
            raw_variable_values=given or {},
            operation_name=self.name,
            max_coercion_errors=MAX_COERCION_ERRORS,
            hide_suggestions=hide_suggestions,
        )
        assert isinstance(executor, Completing)  # noqa: S101  # document and variables were accepted
        return executor

    def plan(self, variables: VariableValues, executor: Callable[[], Completing]) -> Plan | Uncovered:
        """Return the plan for these variables, or why the operation runs on graphql-core as a whole."""
        key = self._key(variables) if self.flags else ()
        plan = self.plans.get(key)
        if plan is None:
            if len(self.plans) >= MAX_PLANS:
                return Uncovered("the document has too many plans already")
            source = Compilation(self.schema, binding_of, executor().fragments, self.node, variables)
            try:
                plan = compile_operation(source)
            except Uncovered as reason:
                plan = reason.with_traceback(None)
            self.plans[key] = plan
        return plan

    def formula(self, variables: VariableValues, executor: Callable[[], Completing], *, largest_size: int) -> Formula:
        """Return the formula of the cost for these variables.

        Raises:
            TooComplex: it has too many distinct selections.
        """
        key = self._key(variables) if self.flags else ()
        formula = self.formulas.get(key)
        if formula is None:
            formula = Costing(self.schema, PRICES, executor().fragments, self.node, variables, largest_size).formula()
            if len(self.formulas) < MAX_PLANS:
                self.formulas[key] = formula
        return formula

    def _key(self, variables: VariableValues) -> tuple[Any, ...]:
        """Return the values of the flags: with others, an operation has another plan."""
        coerced = variables.coerced
        return tuple([coerced.get(flag) for flag in self.flags])


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document and its operations by name; an anonymous one has the name None."""

    operations: dict[str | None, Operation]

    def operation(self, name: str | None) -> Operation | Refusal:
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

    def known(self, text: str) -> Document | Refusal | None:
        """Return the document of this text, or why it is refused, where it was read already."""
        known = self._kept.get(text)
        if known is not None:
            self._lookups.counts[HIT] += 1
            self._kept.move_to_end(text)
        return known

    def get(self, text: str) -> Document | Refusal:
        """Return the document of this text, or why it is refused. About a millisecond the first time."""
        if (known := self.known(text)) is not None:
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
        nodes = [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]
        flags = flag_variables(ast)
        operations = [Operation(self.schema, ast, node, flags, depth) for node in nodes]
        return Document({operation.name: operation for operation in operations})
