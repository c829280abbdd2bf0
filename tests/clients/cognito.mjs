// Tokens as Amazon Cognito makes them, and what aws-jwt-verify says of each: one JSON object a line.
import { CognitoJwtVerifier } from 'aws-jwt-verify';
import { JwtExpiredError } from 'aws-jwt-verify/error';
import crypto from 'node:crypto';

const NOW = 1800000000;
const POOL = 'eu-west-1_Ab129faBb';
const ISSUER = `https://cognito-idp.eu-west-1.amazonaws.com/${POOL}`;
const CLIENT = '7lhlkkfbfb4q5kpp90urffao', OTHER = '1example23456789';
Date.now = () => NOW * 1000; // the verifier's clock

const b64 = (x) => Buffer.from(x).toString('base64url');
const pair = (kid) => {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), alg: 'RS256', kid, use: 'sig' } };
};
const ids = pair('k1Ab3='), accesses = pair('k2Cd4='), stranger = pair('k1Ab3=');
const keys = { keys: [ids.jwk, accesses.jwk] };

const common = { sub: 'u1', iss: ISSUER, iat: NOW - 60, auth_time: NOW - 60, exp: NOW + 3540, jti: 'j1', origin_jti: 'o1', event_id: 'e1' };
const id = { ...common, token_use: 'id', aud: CLIENT, 'cognito:username': 'ann', 'cognito:groups': ['staff'], email: 'ann@example.com', email_verified: true };
const access = { ...common, token_use: 'access', client_id: CLIENT, username: 'ann', scope: 'aws.cognito.signin.user.admin', version: 2 };

const sign = (claims, { key = ids, header = {}, text } = {}) => {
  const input = `${b64(JSON.stringify({ kid: key.kid, alg: 'RS256', ...header }))}.${b64(text ?? JSON.stringify(claims))}`;
  return `${input}.${b64(crypto.sign('sha256', Buffer.from(input), key.privateKey))}`;
};
const forAccess = { key: accesses };
const without = (claims, name) => Object.fromEntries(Object.entries(claims).filter(([k]) => k !== name));
const hmac = () => {
  const secret = crypto.createPublicKey({ key: ids.jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  const input = `${b64(JSON.stringify({ kid: ids.kid, alg: 'HS256' }))}.${b64(JSON.stringify(id))}`;
  return `${input}.${crypto.createHmac('sha256', secret).update(input).digest('base64url')}`;
};
const unsigned = (alg) => `${b64(JSON.stringify({ kid: ids.kid, alg }))}.${b64(JSON.stringify(id))}.`;
const good = sign(id);

const rows = [
  ['ok', 'an id token', 'id', good],
  ['ok', 'an access token', 'access', sign(access, forAccess)],
  ['ok', 'an id token by the other key of the pool', 'id', sign(id, forAccess)],
  ['ok', 'an id token of several audiences', 'id', sign({ ...id, aud: [OTHER, CLIENT] }), 'invalid'], // RFC 7519 has such, Cognito has not
  ['ok', 'a token that is valid from now on', 'id', sign({ ...id, nbf: NOW })],
  ['ok', 'a token with a second left', 'id', sign({ ...id, exp: NOW + 1 })],
  ['ok', 'a token with members nobody knows', 'id', sign({ ...id, 'custom:x': { a: [1] } })],
  ['ok', 'a token issued in a moment', 'id', sign({ ...id, iat: NOW + 5 })],
  ['invalid', 'an access token where an id token is wanted', 'id', sign(access, forAccess)],
  ['invalid', 'an id token where an access token is wanted', 'access', good],
  ['invalid', 'no token_use', 'id', sign(without(id, 'token_use'))],
  ['invalid', 'another token_use', 'id', sign({ ...id, token_use: 'refresh' })],
  ['invalid', 'an id token for another client', 'id', sign({ ...id, aud: OTHER })],
  ['invalid', 'an access token for another client', 'access', sign({ ...access, client_id: OTHER }, forAccess)],
  ['invalid', 'an access token with an audience and no client_id', 'access', sign({ ...without(access, 'client_id'), aud: CLIENT }, forAccess)],
  ['invalid', 'an id token with a client_id and no audience', 'id', sign({ ...without(id, 'aud'), client_id: CLIENT })],
  ['invalid', 'another pool', 'id', sign({ ...id, iss: `${ISSUER}x` })],
  ['invalid', 'the issuer with a slash', 'id', sign({ ...id, iss: `${ISSUER}/` })],
  ['invalid', 'no issuer', 'id', sign(without(id, 'iss'))],
  ['invalid', 'a token that is not valid yet', 'id', sign({ ...id, nbf: NOW + 1 })],
  ['invalid', 'nbf as text', 'id', sign({ ...id, nbf: String(NOW - 60) })],
  ['invalid', 'exp as text', 'id', sign({ ...id, exp: String(NOW + 60) })],
  ['expired', 'a token of a minute ago', 'id', sign({ ...id, exp: NOW - 60 })],
  ['expired', 'a token of a second ago', 'access', sign({ ...access, exp: NOW - 1 }, forAccess)],
  ['invalid', 'a kid that no key has', 'id', sign(id, { header: { kid: 'other' } })],
  ['invalid', 'the kid of the other key', 'id', sign(id, { header: { kid: accesses.kid } })],
  ['invalid', 'a stranger who uses the kid', 'id', sign(id, { key: stranger })],
  ['invalid', 'alg none', 'id', unsigned('none')],
  ['invalid', 'alg RS256 and no signature', 'id', unsigned('RS256')],
  ['invalid', 'alg HS256 with the public key as its secret', 'id', hmac()],
  ['invalid', 'alg rs256', 'id', sign(id, { header: { alg: 'rs256' } })],
  ['invalid', 'alg RS512, signed by RS256', 'id', sign(id, { header: { alg: 'RS512' } })],
  ['invalid', 'other claims than were signed', 'id', good.split('.').map((p, i) => (i === 1 ? b64(JSON.stringify({ ...id, sub: 'root' })) : p)).join('.')],
  ['invalid', 'a cut signature', 'id', good.slice(0, -4)],
  ['invalid', 'two parts', 'id', good.slice(0, good.lastIndexOf('.'))],
  ['invalid', 'four parts', 'id', `${good}.x`],
  ['invalid', 'claims that are no JSON', 'id', sign(id, { text: '{"sub":"u1"' })],
  ['invalid', 'claims that are an array', 'id', sign(id, { text: '[]' })],
  ['invalid', 'no words at all', 'id', 'nonsense'],
];

const judge = (tokenUse) => {
  const verifier = CognitoJwtVerifier.create({ userPoolId: POOL, tokenUse, clientId: CLIENT });
  verifier.cacheJwks(keys);
  return verifier;
};
const verifiers = { id: judge('id'), access: judge('access') };
const verdict = (use, token) => {
  try {
    verifiers[use].verifySync(token);
    return 'ok';
  } catch (error) {
    return error instanceof JwtExpiredError ? 'expired' : 'invalid';
  }
};

for (const [expect, name, tokenUse, token, expectTheirs = expect] of rows) {
  console.log(JSON.stringify({
    name, expect, expect_theirs: expectTheirs, theirs: verdict(tokenUse, token), token, token_use: tokenUse, issuer: ISSUER, audience: CLIENT,
    keys: JSON.stringify(keys), wall: NOW * 1000, algorithms: 0, leeway: 0,
  }));
}
