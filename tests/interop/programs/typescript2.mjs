// A client written with @modelcontextprotocol/client 2.x, as its documentation shows.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { Provider, answer, errand } from './state.mjs';

const provider = new Provider();
const mode = errand.era === '2025-11-25' ? 'legacy' : 'auto';
const client = () => new Client({ name: errand.name, version: '1' }, { versionNegotiation: { mode } });
const transport = () => new StreamableHTTPClientTransport(new URL(errand.url), { authProvider: provider });

let session = client();
let used = transport();
try {
  await session.connect(used);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  await used.finishAuth(provider.answer);
  session = client();
  used = transport();
  await session.connect(used);
}
await answer(() => session);
await session.close();
