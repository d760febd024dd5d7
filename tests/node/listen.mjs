// Listens with graphql-ws as a page would: node listen.mjs WS_URL POSTS
//
// Prints one JSON line for each thing that happens. It reconnects by itself, asks again from the last cursor it saw (at first: the
// acknowledgement's), and completes after POSTS posts.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [url, posts] = process.argv.slice(2);
const tell = (event) => console.log(JSON.stringify(event));
// The client sends these variables again at each reconnection, so what it learns is kept in them.
const variables = {};
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  retryAttempts: Infinity, // the test has the patience, and ends this program
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
  shouldRetry: () => true,
  on: {
    connected: (_socket, payload) => {
      variables.after ??= payload.cursor;
      tell({ event: 'connected', cursor: payload.cursor });
    },
    closed: (close) => tell({ event: 'closed', code: close.code ?? null }),
  },
});

const query = 'subscription ($after: EventCursor) { postAdded(after: $after) { id content } }';
const iterator = client.iterate({ query, variables });
let left = Number(posts);
for await (const result of iterator) {
  variables.after = result.extensions.cursor;
  tell({ event: 'next', content: result.data?.postAdded.content ?? null, cursor: variables.after, errors: result.errors ?? null });
  left -= 1;
  if (left === 0) break;
}
tell({ event: 'complete' });
await client.dispose();
