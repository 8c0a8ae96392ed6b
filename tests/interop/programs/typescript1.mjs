// A client written with @modelcontextprotocol/sdk 1.x, as its documentation shows: connect, and finish the sign-in.
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Provider, answer, errand } from './state.mjs';

const provider = new Provider();
const client = new Client({ name: errand.name, version: '1' });
const transport = () => new StreamableHTTPClientTransport(new URL(errand.url), { authProvider: provider });

let used = transport();
try {
  await client.connect(used);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  await used.finishAuth(provider.answer.get('code'));
  used = transport();
  await client.connect(used);
}
await answer(() => client);
await client.close();
