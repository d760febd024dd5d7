/**
 * Subscriptions that survive a broken connection: they keep the position of what they heard last, and go on right behind it.
 *
 * graphql-ws subscribes again by itself after a break, with the payload that it was given. So the position is kept in that payload's
 * variables; a document that has no `after` gets one.
 */

import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  Kind,
  type OperationDefinitionNode,
  parse,
  print,
  type ValueNode,
  valueFromASTUntyped,
  type VariableDefinitionNode,
} from "graphql";
import { type Client, type ClientOptions, CloseCode, createClient, type Sink, type SubscribePayload } from "graphql-ws";

const POSITION = "after";
const GOING_AWAY = 1001;
const RETRY_ATTEMPTS = 30;
const LONGEST_RETRY_WAIT_MS = 5000;

type Variables = Record<string, unknown>;

/** A request that can be sent again at any time, and the name of the variable that says from where on. */
export type Resumable = { request: SubscribePayload & { variables: Variables }; variable: string };

function named(name: string) {
  return { kind: Kind.NAME, value: name } as const;
}

function unusedName(operation: OperationDefinitionNode): string {
  const used = new Set(operation.variableDefinitions?.map((definition) => definition.variable.name.value));
  let name = POSITION;
  while (used.has(name)) name += "_";
  return name;
}

/** The operation with the position as a variable, the variable's name, and the value that stood in the text. */
function withVariable(operation: OperationDefinitionNode, field: FieldNode) {
  const given = field.arguments?.find((argument) => argument.name.value === POSITION)?.value;
  if (given?.kind === Kind.VARIABLE) return { operation, variable: given.name.value, value: undefined };
  const variable = unusedName(operation);
  const reference = { kind: Kind.VARIABLE, name: named(variable) } as const;
  const definition: VariableDefinitionNode = {
    kind: Kind.VARIABLE_DEFINITION,
    variable: reference,
    type: { kind: Kind.NAMED_TYPE, name: named("EventCursor") },
  };
  const argument: ArgumentNode = { kind: Kind.ARGUMENT, name: named(POSITION), value: reference };
  const others = field.arguments?.filter((other) => other.name.value !== POSITION) ?? [];
  const selections = operation.selectionSet.selections.map((selection) =>
    selection === field ? { ...field, arguments: [...others, argument] } : selection,
  );
  const changed: OperationDefinitionNode = {
    ...operation,
    variableDefinitions: [...(operation.variableDefinitions ?? []), definition],
    selectionSet: { ...operation.selectionSet, selections },
  };
  return { operation: changed, variable, value: literal(given) };
}

function literal(value: ValueNode | undefined): unknown {
  return value === undefined ? undefined : valueFromASTUntyped(value);
}

function chosen(document: DocumentNode, name: string | null | undefined): OperationDefinitionNode | undefined {
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  return operations.find((operation) => name == null || operation.name?.value === name);
}

/** The payload as a request that can be resumed; undefined where it is none of a subscription that we can read. */
export function resumable(payload: SubscribePayload): Resumable | undefined {
  let document: DocumentNode;
  try {
    document = parse(payload.query);
  } catch {
    return undefined; // the server explains a syntax error better than we could
  }
  const operation = chosen(document, payload.operationName);
  const field = operation?.selectionSet.selections.find((selection) => selection.kind === Kind.FIELD);
  if (operation?.operation !== "subscription" || field === undefined) return undefined;
  const changed = withVariable(operation, field);
  const definitions = document.definitions.map((definition) => (definition === operation ? changed.operation : definition));
  const variables: Variables = { ...payload.variables };
  variables[changed.variable] ??= changed.value ?? null;
  return { request: { ...payload, query: print({ ...document, definitions }), variables }, variable: changed.variable };
}

/**
 * Subscribe, and stay subscribed through breaks of the connection: nothing is missed and nothing comes twice, from the moment of
 * this call on. Returns a function that ends it. A `next` with the code REPLAY_GAP tells that the server has forgotten events in
 * between: read the state again then.
 */
export function listen(client: Client, payload: SubscribePayload, sink: Sink): () => void {
  const stream = resumable(payload);
  if (stream === undefined) return client.subscribe(payload, sink);
  const { request, variable } = stream;
  const keep = (cursor: unknown) => {
    if (typeof cursor === "string") request.variables[variable] = cursor;
  };
  const follow = () =>
    client.subscribe(request, {
      ...sink,
      next: (result) => {
        keep((result.extensions as Variables | undefined)?.cursor);
        sink.next(result);
      },
    });
  if (request.variables[variable] != null) return follow();
  // A break before the first event would leave a hole if we did not know where we began.
  let isOver = false;
  let end = client.subscribe<{ eventCursor: string }>(
    { query: "query { eventCursor }" },
    {
      next: (result) => keep(result.data?.eventCursor),
      error: (error) => sink.error(error),
      complete: () => {
        if (!isOver) end = follow();
      },
    },
  );
  return () => {
    isOver = true;
    end();
    if (request.variables[variable] == null) sink.complete();
  };
}

/** Whether a lost or refused connection may come back; a refused token stays refused. */
function mayComeBack(error: unknown): boolean {
  return typeof error === "object" && error !== null && "type" in error && !("code" in error && error.code === CloseCode.Forbidden);
}

/** A client that comes back after a break, when the server that stopped said so or after a moment that grows. */
export function createLiveClient(options: ClientOptions): Client {
  let toldMs: number | undefined;
  const wait = (retries: number): Promise<void> => {
    const growing = Math.min(500 * 2 ** retries, LONGEST_RETRY_WAIT_MS) * (0.5 + Math.random() / 2);
    const waitMs = toldMs ?? growing;
    toldMs = undefined;
    return new Promise((resolve) => setTimeout(resolve, waitMs));
  };
  const client = createClient({ retryAttempts: RETRY_ATTEMPTS, shouldRetry: mayComeBack, retryWait: wait, ...options });
  client.on("closed", (event) => {
    const { code, reason } = event as { code?: number; reason?: string };
    if (code === GOING_AWAY && /^\d{1,5}$/.test(reason ?? "")) toldMs = Number(reason);
  });
  return client;
}
