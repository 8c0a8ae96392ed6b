// What every program here shares: its errand, its file of credentials, the browser, and how it answers.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';

export const errand = JSON.parse(process.argv[2]);

export function load() {
  return existsSync(errand.state) ? JSON.parse(readFileSync(errand.state, 'utf8')) : {};
}

export function save(changes) {
  writeFileSync(errand.state, JSON.stringify({ ...load(), ...changes }));
}

/** The parameters with which the person's browser came back. */
export async function browse(url) {
  const { stdout } = await promisify(execFile)(process.env.BROWSER, [String(url), errand.redirect]);
  return new URL(stdout.trim()).searchParams;
}

/** An OAuthClientProvider that keeps everything in the file and signs in when asked to. */
export class Provider {
  answer = undefined;
  redirectUrl = errand.redirect;
  clientMetadataUrl = errand.document || undefined;
  clientMetadata = {
    client_name: errand.name,
    redirect_uris: [errand.redirect],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
  clientInformation = () => load().client;
  saveClientInformation = (client) => save({ client });
  tokens = () => load().tokens;
  saveTokens = (tokens) => save({ tokens });
  saveCodeVerifier = (verifier) => save({ verifier });
  codeVerifier = () => load().verifier;
  state = () => 'state-' + Math.random().toString(36).slice(2);
  async redirectToAuthorization(url) {
    this.answer = await browse(url);
  }
  invalidateCredentials(scope) {
    if (scope === 'all' || scope === 'client') save({ client: undefined });
    if (scope === 'all' || scope === 'tokens') save({ tokens: undefined });
  }
}

/** Run the steps and print what came of each. */
export async function answer(session) {
  const results = [];
  const call = () => session().callTool({ name: 'whoami', arguments: {} }).then((r) => JSON.parse(r.content[0].text));
  for (const step of errand.steps) {
    if (step === 'list') results.push((await session().listTools()).tools.map((tool) => tool.name));
    else if (step === 'call') results.push(await call());
    else if (step === 'three') results.push(await Promise.all([call(), call(), call()]));
    else results.push(await new Promise((done) => setTimeout(done, 1000 * Number(step.slice('wait:'.length)), null)));
  }
  console.log(JSON.stringify(results));
}
