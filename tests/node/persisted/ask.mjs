// Asks twice with somebody else's persisted-query client; prints what each attempt sent and what came back:
// node ask.mjs CLIENT URL, where CLIENT is a name in `clients` below.
import { createHash } from 'node:crypto';

import { ApolloClient, HttpLink, InMemoryCache, gql as apolloGql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createPersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { Client, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { parse, print } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const TEXT = 'query Asked($id: ID!) {\n  user(id: $id) {\n    username\n  }\n}';
const TRUSTED = 'query Trusted {\n  __typename\n}';
const LISTEN = 'subscription Listen($after: EventCursor) {\n  postAdded(after: $after) {\n    content\n  }\n}';

const [name, url, id, after] = process.argv.slice(2);
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const sent = [];

function note(method, body) {
  const extensions = typeof body.extensions === 'string' ? JSON.parse(body.extensions) : body.extensions;
  sent.push({ method, by: [body.query && 'text', extensions?.persistedQuery && 'hash', body.documentId && 'id'].filter(Boolean) });
}

async function notingFetch(address, options = {}) {
  const method = options.method ?? 'GET';
  note(method, method === 'GET' ? Object.fromEntries(new URL(address).searchParams) : JSON.parse(options.body));
  return fetch(address, options);
}

class NotingWebSocket extends WebSocket {
  send(text, ...more) {
    const message = JSON.parse(text);
    if (message.type === 'subscribe') note('WS', message.payload);
    return super.send(text, ...more);
  }
}

const socket = () =>
  createClient({ url: url.replace('http', 'ws'), webSocketImpl: NotingWebSocket, retryAttempts: 0, lazyCloseTimeout: 0 });

async function apollo(link) {
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const { data } = await client.query({ query: apolloGql(TEXT), variables: { id }, fetchPolicy: 'network-only' });
  return data.user.username;
}

const overHttp = (options) => createPersistedQueryLink({ sha256, ...options }).concat(new HttpLink({ uri: url, fetch: notingFetch }));

async function urql(request, variables, options) {
  const exchanges = [persistedExchange(options), fetchExchange];
  const client = new Client({ url, fetch: notingFetch, exchanges, requestPolicy: 'network-only' });
  const { data, error } = await client.query(request, variables).toPromise();
  if (error) throw error;
  return data;
}

const urqlUser = async (options) => (await urql(gql(TEXT), { id }, options)).user.username;

async function urqlSubscription() {
  const wsClient = socket();
  const client = new Client({
    url,
    exchanges: [
      persistedExchange({ enableForSubscriptions: true }),
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({ unsubscribe: wsClient.subscribe({ ...request, query: request.query || '' }, sink) }),
        }),
      }),
    ],
  });
  const content = await new Promise((resolve, reject) => {
    const { unsubscribe } = client.subscription(gql(LISTEN), { after }).subscribe(({ data, error }) => {
      if (error) return reject(error);
      resolve(data.postAdded.content);
      setTimeout(() => unsubscribe());
    });
  });
  await wsClient.dispose();
  return content;
}

const clients = {
  'apollo-post': () => apollo(overHttp()),
  'apollo-get': () => apollo(overHttp({ useGETForHashedQueries: true })),
  'apollo-ws': async () => {
    const wsClient = socket();
    const username = await apollo(createPersistedQueryLink({ sha256 }).concat(new GraphQLWsLink(wsClient)));
    await wsClient.dispose();
    return username;
  },
  'urql-get': () => urqlUser({ preferGetForPersistedQueries: 'force' }),
  'urql-post': () => urqlUser({ preferGetForPersistedQueries: false }),
  'urql-ws': urqlSubscription,
  'urql-trusted': async () => {
    process.env.NODE_ENV = 'production'; // in development urql looks for the operation in a document that has only an id
    const request = { kind: 'Document', definitions: [], documentId: `sha256:${sha256(print(parse(TRUSTED)))}` };
    return (await urql(request, {}, { enforcePersistedQueries: true })).__typename;
  },
};

for (const _ of [1, 2]) {
  sent.length = 0;
  const answer = await clients[name]();
  console.log(JSON.stringify({ sent, answer }));
}
