// Runs one operation with graphql-ws and prints its result and its end: node ask.mjs WS_URL DOCUMENT
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [url, query] = process.argv.slice(2);
const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
client.subscribe(
  { query },
  {
    next: (result) => console.log(JSON.stringify({ event: 'next', result })),
    error: (errors) => {
      console.log(JSON.stringify({ event: 'error', errors }));
      client.dispose();
    },
    complete: () => {
      console.log(JSON.stringify({ event: 'complete' }));
      client.dispose();
    },
  },
);
