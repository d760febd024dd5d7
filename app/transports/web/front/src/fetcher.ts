/** Sends operations to the server that served the page: queries and mutations over HTTP, subscriptions over a WebSocket. */

import { createGraphiQLFetcher, type Fetcher, type FetcherParams, type Observable } from "@graphiql/toolkit";
import { type ExecutionResult, Kind, type OperationDefinitionNode, parse } from "graphql";
import type { FormattedExecutionResult, Sink } from "graphql-ws";
import { createLiveClient, listen } from "./live";

type Headers = Record<string, unknown>;

function operationsOf(query: string): OperationDefinitionNode[] {
  try {
    return parse(query).definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  } catch {
    return []; // the server explains a syntax error better than we could
  }
}

/**
 * The request with the name of an operation it really has. GraphiQL learns the name a moment after the text, so a quick click
 * behind a change of tab would send the new text with the old tab's name.
 */
function withOwnName(params: FetcherParams, operations: OperationDefinitionNode[]): FetcherParams {
  const names = operations.map((operation) => operation.name?.value);
  if (names.length === 0 || names.includes(params.operationName ?? undefined)) return params;
  return { ...params, operationName: names[0] ?? null };
}

function bearerPayload(headers: Headers): Record<string, unknown> {
  const name = Object.keys(headers).find((key) => key.toLowerCase() === "authorization");
  return name === undefined ? {} : { Authorization: headers[name] };
}

function readableError(error: unknown): unknown {
  if (error instanceof CloseEvent) {
    return new Error(`The live connection was closed (${error.code}): ${error.reason || "the server gave no reason"}`);
  }
  // A browser never says why a socket could not be opened.
  return error instanceof Event ? new Error("The live connection could not be opened: is the server running?") : error;
}

/**
 * A stream on a socket of its own, because a token belongs to a connection. Stopping sends `complete` and then closes the socket;
 * a lost connection is opened again, and the stream goes on behind what it heard last.
 */
function subscription(url: string, params: FetcherParams, headers: Headers): Observable<ExecutionResult> {
  const subscribe = (sink: Sink<FormattedExecutionResult>) => {
    const client = createLiveClient({ url, connectionParams: bearerPayload(headers) });
    const unsubscribe = listen(
      client,
      { query: params.query, variables: params.variables, operationName: params.operationName ?? null },
      { ...sink, error: (error) => sink.error(readableError(error)) },
    );
    return { unsubscribe };
  };
  // GraphiQL's types ask for errors as class instances; it prints what comes over the wire just as well.
  return { subscribe } as unknown as Observable<ExecutionResult>;
}

/** A fetcher for the endpoint at `url` (http or https); subscriptions use the same address as ws or wss. */
export function createFetcher(url: URL): Fetcher {
  const socketUrl = url.href.replace(/^http/, "ws");
  const overHttp = createGraphiQLFetcher({
    url: url.href,
    headers: { "Feedgraph-Counts": "1" }, // asks for extensions.counts: statements, rows, batches, bytes
  });
  return (params, options) => {
    const operations = operationsOf(params.query);
    const request = withOwnName(params, operations);
    const headers = options?.headers ?? {};
    const chosen = operations.find((operation) => operation.name?.value === (request.operationName ?? undefined));
    return chosen?.operation === "subscription" ? subscription(socketUrl, request, headers) : overHttp(request, { headers });
  };
}
