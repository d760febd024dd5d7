// Listens with the front end's own client: node live.mjs MODULE WS_URL POSTS
//
// MODULE is src/live.ts, compiled. The query has no cursor in it: the client keeps positions by itself.
import WebSocket from 'ws';

const [module, url, posts] = process.argv.slice(2);
const { createLiveClient, listen, resumable } = await import(module);
const tell = (event) => console.log(JSON.stringify(event));

const forms = [
  { query: 'subscription { postAdded { id } }' },
  { query: 'subscription S($after: ID) { postAdded(authorId: $after) { id } }', variables: { after: '7' } },
  { query: 'subscription { postAdded(after: "1-2") { id } }' },
  { query: 'subscription ($from: EventCursor) { postAdded(after: $from) { id } }', variables: { from: '3-4' } },
  { query: 'query A { __typename } subscription B { postAdded { id } }', operationName: 'B' },
  { query: '{ __typename }' },
  { query: 'subscription {' },
];
for (const form of forms) {
  const stream = resumable(form);
  tell({ event: 'form', query: stream?.request.query.replace(/\s+/g, ' ') ?? null, variables: stream?.request.variables ?? null });
}

const client = createLiveClient({ url, webSocketImpl: WebSocket, lazyCloseTimeout: 1000 });
client.on('closed', (close) => tell({ event: 'closed', code: close.code ?? null }));
client.on('message', (message) => {
  if (message.payload?.data?.eventCursor) tell({ event: 'position' });
});
let left = Number(posts);
const end = listen(client, { query: 'subscription { postAdded { content } }' }, {
  next: (result) => {
    tell({ event: 'next', content: result.data?.postAdded.content ?? null, cursor: result.extensions.cursor, errors: result.errors ?? null });
    left -= 1;
    if (left === 0) end();
  },
  error: (error) => tell({ event: 'error', error: String(error) }),
  complete: async () => {
    tell({ event: 'complete' });
    await client.dispose();
  },
});
