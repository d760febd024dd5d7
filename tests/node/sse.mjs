// Listens with graphql-sse as a page would: node sse.mjs URL POSTS
//
// Prints one JSON line for each thing that happens. The client connects again by itself with the variables that it was given, so the
// cursor is kept in them.
import { createClient } from 'graphql-sse';

const [url, posts] = process.argv.slice(2);
const tell = (event) => console.log(JSON.stringify(event));
const client = createClient({
  url,
  retryAttempts: 100,
  retry: () => new Promise((resolve) => setTimeout(resolve, 100)),
  on: { connected: () => tell({ event: 'connected' }) },
});

const one = client.iterate({ query: '{ eventCursor }' });
const variables = { after: (await one.next()).value.data.eventCursor };
tell({ event: 'query', ended: (await one.next()).done });

const query = 'subscription ($after: EventCursor) { postAdded(after: $after) { content } }';
let left = Number(posts);
for await (const result of client.iterate({ query, variables })) {
  variables.after = result.extensions.cursor;
  tell({ event: 'next', content: result.data?.postAdded.content ?? null, cursor: variables.after, errors: result.errors ?? null });
  left -= 1;
  if (left === 0) break;
}
tell({ event: 'complete' });
for await (const result of client.iterate({ query: '{ nonsense }' })) {
  tell({ event: 'refused', code: result.errors[0].extensions.code });
}
client.dispose();
