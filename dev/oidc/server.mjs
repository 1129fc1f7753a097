// An OpenID Connect provider for the local stack. dev/stack/oidc.go starts it
// and says everything by environment variables.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const env = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; start this with dev/stack`);
  return value;
};

// The package is installed outside of the checkout's sources, so it has no
// bare name here.
const { Provider } = await import(pathToFileURL(env('OIDC_PROVIDER')).href);

// Read at every login: the users' organizations are made after the start.
const findUser = (login) => JSON.parse(readFileSync(env('OIDC_USERS'), 'utf8')).find((user) => user.login === login);

// Operators are so for every organization.
const orgsOf = (user) => (user.operator ? { ...user.orgs, '*': 'operator' } : user.orgs);
const claimsOf = (user) => ({
  sub: user.login, name: user.name, email: user.email, email_verified: true, orgs: orgsOf(user),
});

const audience = env('OIDC_AUDIENCE');
const signingKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

const provider = new Provider(env('OIDC_ISSUER'), {
  clients: [{
    client_id: env('OIDC_CLIENT_ID'),
    client_secret: env('OIDC_CLIENT_SECRET'),
    redirect_uris: [env('OIDC_REDIRECT_URI')],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  }],
  jwks: { keys: [{ ...signingKey, use: 'sig', alg: 'RS256' }] },
  cookies: { keys: ['local development only'] },
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'], orgs: ['orgs'] },
  // Claims stand in the ID token itself, as with the providers that companies
  // use.
  conformIdTokenClaims: false,
  pkce: { required: () => false },
  findAccount: (_ctx, login) => {
    const user = findUser(login);
    return user && { accountId: login, claims: () => claimsOf(user) };
  },
  features: {
    devInteractions: { enabled: true }, // a login page that takes any password
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'api', audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
    },
  },
  extraTokenClaims: (_ctx, token) => {
    const user = token.accountId && findUser(token.accountId);
    return user && { email: user.email, orgs: orgsOf(user) };
  },
  ttl: { Interaction: 3600, Session: 86400, Grant: 86400, AccessToken: 3600, IdToken: 3600, RefreshToken: 86400 },
});
provider.on('server_error', (_ctx, error) => console.error(error));

provider.listen(Number(env('OIDC_PORT')), '127.0.0.1', () => console.log(`OIDC provider listens on ${env('OIDC_ISSUER')}`));
process.on('SIGTERM', () => process.exit(0));
