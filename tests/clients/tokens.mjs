// Tokens by a library that nobody here wrote, and attacks on them: one JSON object a line.
import * as jose from 'jose';
import crypto from 'node:crypto';

const NOW = 1800000000;
const claims = { iss: 'me', aud: 'app', sub: 'u1', iat: NOW - 10, exp: NOW + 60 };
const ALL = 255, PUBLIC = 127;
const cases = [];
const add = (expect, name, token, keys, more = {}) =>
  cases.push({ name, expect, token, keys: JSON.stringify({ keys: [].concat(keys) }), wall: NOW * 1000, algorithms: ALL, leeway: 0, ...more });

const b64 = (x) => Buffer.from(x).toString('base64url');
const text = (o) => (typeof o === 'string' || Buffer.isBuffer(o) ? o : JSON.stringify(o));

// ---- keys, one for each algorithm

const ours = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'ES512'];
const keys = {};
const publish = async (pair, alg, kid) => {
  const jwk = await jose.exportJWK(pair.publicKey);
  if (alg) jwk.alg = alg;
  if (kid) jwk.kid = kid;
  return jwk;
};
for (const alg of ours) {
  const pair = await jose.generateKeyPair(alg, { extractable: true });
  keys[alg] = { ...pair, jwk: await publish(pair, alg, `k-${alg}`) };
}
const secret = crypto.randomBytes(32);
keys.HS256 = { privateKey: secret, jwk: { kty: 'oct', k: b64(secret), alg: 'HS256', kid: 'k-HS256' } };
const everything = Object.values(keys).map((k) => k.jwk);

const sign = (alg, { header = {}, payload = claims, key } = {}) =>
  new jose.CompactSign(Buffer.from(text(payload)))
    .setProtectedHeader({ alg, kid: `k-${alg}`, ...header })
    .sign(key ?? keys[alg].privateKey, { crit: { exp: true, b64: true } });

// By hand, where the library refuses to: ES256 unless told otherwise.
const ec = crypto.KeyObject.from(keys.ES256.privateKey);
const raw = (header, payload = claims, dsaEncoding = 'ieee-p1363', key = ec) => {
  const input = `${b64(text(header))}.${b64(text(payload))}`;
  return `${input}.${b64(crypto.sign('sha256', Buffer.from(input), { key, dsaEncoding }))}`;
};
const es = { alg: 'ES256', kid: 'k-ES256' };
const withSignature = (token, bytes) => `${token.slice(0, token.lastIndexOf('.'))}.${b64(bytes)}`;
const signatureOf = (token) => Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url');

// ---- what is good

for (const alg of [...ours, 'HS256']) {
  const token = await sign(alg);
  add('ok', `${alg} with its key alone`, token, keys[alg].jwk);
  add('ok', `${alg} among all keys, by its kid`, token, everything);
  const part = token.lastIndexOf('.') + 6;
  const other = token[part] === 'A' ? 'B' : 'A';
  add('invalid', `${alg} with one changed character`, token.slice(0, part) + other + token.slice(part + 1), everything);
  add('invalid', `${alg} with other claims`, token.split('.').map((p, i) => (i === 1 ? b64(text({ ...claims, sub: 'root' })) : p)).join('.'), everything);
  add('invalid', `${alg} with its signature cut`, token.slice(0, -4), everything);
  add('invalid', `${alg} with an empty signature`, token.slice(0, token.lastIndexOf('.') + 1), everything);
  if (alg !== 'HS256') {
    const stranger = await jose.generateKeyPair(alg, { extractable: true });
    add('invalid', `${alg} by a stranger who uses the kid`, await sign(alg, { key: stranger.privateKey }), everything);
  }
}
add('no keys', 'HS256 where secrets are not asked for', await sign('HS256'), keys.HS256.jwk, { algorithms: PUBLIC });
add('invalid', 'HS256 where secrets are not asked for, among all keys', await sign('HS256'), everything, { algorithms: 0 });
const { alg: _, ...unnamed } = keys.RS256.jwk;
add('ok', 'RS256 with a key that names no algorithm', await sign('RS256'), unnamed);
const { kid: __, ...anonymous } = keys.ES256.jwk;
add('ok', 'no kid, and one key', raw({ alg: 'ES256' }), anonymous);
add('invalid', 'no kid, and several keys', raw({ alg: 'ES256' }), everything);
add('invalid', 'no kid, and the first of several keys', raw({ alg: 'ES256' }), [keys.ES256.jwk, keys.ES384.jwk]);
add('invalid', 'a kid that no key has', raw({ alg: 'ES256', kid: 'x' }), anonymous);
add('ok', 'typ at+jwt', await sign('ES256', { header: { typ: 'at+jwt' } }), everything);
for (const bits of [3072, 4096]) {
  const pair = await jose.generateKeyPair('RS256', { modulusLength: bits, extractable: true });
  add('ok', `RS256 with ${bits} bits`, await sign('RS256', { key: pair.privateKey }), await publish(pair, 'RS256', 'k-RS256'));
}

// ---- algorithms

for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
  const input = `${b64(text({ alg }))}.${b64(text(claims))}`;
  add('invalid', `alg ${alg}, no signature`, `${input}.`, anonymous);
  add('invalid', `alg ${alg}, two parts`, input, anonymous);
  add('invalid', `alg ${alg}, the signature of another`, `${input}.${b64(signatureOf(raw(es)))}`, anonymous);
}
add('invalid', 'an unsecured token of the library', new jose.UnsecuredJWT(claims).encode(), anonymous);
const rsa = ['RS256', 'RS384', 'RS512', 'PS256'];
const rsaKey = crypto.KeyObject.from(keys.RS256.privateKey);
for (const alg of rsa)
  for (const bound of rsa.filter((b) => b !== alg))
    add('invalid', `${alg} with a key for ${bound}`, await sign(alg, { key: await jose.importPKCS8(rsaKey.export({ type: 'pkcs8', format: 'pem' }), alg), header: { kid: 'one' } }), { ...unnamed, alg: bound, kid: 'one' });
for (const alg of ['ES384', 'ES512', 'RS256', 'HS256', 'es256', 'ES256K', 'EdDSA', ''])
  add('invalid', `a key for ES256 under alg ${alg || 'nothing'}`, raw({ ...es, alg }), everything);
for (const alg of ['PS384', 'PS512', 'EdDSA', 'HS384', 'HS512']) {
  const pair = alg.startsWith('HS') ? { privateKey: crypto.randomBytes(64), jwk: null } : await jose.generateKeyPair(alg, { extractable: true });
  const jwk = pair.jwk === null ? { kty: 'oct', k: b64(pair.privateKey), alg, kid: `k-${alg}` } : await publish(pair, alg, `k-${alg}`);
  add('invalid', `${alg}, which is none of ours`, await sign(alg, { key: pair.privateKey }), [...everything, jwk]);
}
const spki = crypto.KeyObject.from(keys.RS256.publicKey).export({ type: 'spki', format: 'pem' });
for (const [what, bytes] of [['PEM', spki], ['JWK', text(keys.RS256.jwk)], ['modulus', Buffer.from(keys.RS256.jwk.n, 'base64url')]]) {
  const hs = (kid) => {
    const input = `${b64(text({ alg: 'HS256', kid }))}.${b64(text(claims))}`;
    return `${input}.${b64(crypto.createHmac('sha256', bytes).update(input).digest())}`;
  };
  add('invalid', `HS256 with the public key as its secret: ${what}`, hs('k-RS256'), everything);
  add('invalid', `the same under the kid of the secret: ${what}`, hs('k-HS256'), everything);
}

// ---- headers

const stranger = await jose.generateKeyPair('ES256', { extractable: true });
const strangerJwk = await jose.exportJWK(stranger.publicKey);
const strangerKey = crypto.KeyObject.from(stranger.privateKey);
add('invalid', 'a key that the token brings along', raw({ alg: 'ES256', jwk: strangerJwk }, claims, 'ieee-p1363', strangerKey), anonymous);
for (const [what, header] of Object.entries({
  'jwk of the right key': { jwk: anonymous }, jku: { jku: 'https://evil.example/jwks.json' }, x5u: { x5u: 'https://evil.example/c.pem' },
  x5c: { x5c: ['MIIB'] }, zip: { zip: 'DEF' }, 'crit empty': { crit: [] }, 'crit null': { crit: null }, 'crit unknown': { crit: ['x'], x: 1 },
  'b64 false': { b64: false }, 'b64 true': { b64: true }, 'kid as a number': { kid: 7 }, 'kid too long': { kid: 'k'.repeat(257) },
  'kid as a path': { kid: '../../dev/null' }, 'kid as SQL': { kid: "' OR '1'='1" },
})) add('invalid', `header: ${what}`, raw({ ...es, ...header }), everything);
add('invalid', 'header: crit of the library', await sign('ES256', { header: { crit: ['exp'], exp: 1 } }), everything);
add('invalid', 'header: alg twice', raw('{"alg":"none","kid":"k-ES256","alg":"ES256"}'), everything);
add('invalid', 'header: an array', raw('["ES256"]'), everything);
add('invalid', 'header: not JSON', raw('{alg:"ES256"}'), everything);
add('ok', 'header: unknown members', raw({ ...es, extra: { a: [1] } }), everything);

// ---- shapes

const good = raw(es);
const [h, p, s] = good.split('.');
for (const [what, token] of Object.entries({
  'padding behind the header': `${h}=.${p}.${s}`, 'padding behind the claims': `${h}.${p}==.${s}`, 'padding behind the signature': `${good}==`,
  'a space before': ` ${good}`, 'a space behind': `${good} `, 'a line feed behind': `${good}\n`, 'a line feed inside': `${h}\n.${p}.${s}`,
  'Bearer before': `Bearer ${good}`, 'four parts': `${good}.${s}`, 'five parts': `${good}.${s}.${s}`, 'two parts': `${h}.${p}`, 'one part': h,
  'dots alone': '..', 'no header': `.${p}.${s}`, 'no claims': `${h}..${s}`, 'standard base64': `${h}.${p}.${'+/'.repeat(43)}`,
  'another last character': good.slice(0, -1) + (good.endsWith('A') ? 'B' : 'A'),
  'a NUL behind': `${good}\u0000`, 'too long': raw(es, { ...claims, x: 'x'.repeat(8000) }),
})) add('invalid', `shape: ${what}`, token, everything);
const spare = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
add('invalid', 'shape: spare bits that are not zero', good.slice(0, -1) + spare[spare.indexOf(good.at(-1)) + 1], everything);
add('invalid', 'an encrypted token', await new jose.EncryptJWT(claims).setProtectedHeader({ alg: 'dir', enc: 'A128GCM' }).encrypt(crypto.randomBytes(16)), everything);
add('invalid', 'a token inside a token', raw({ ...es, cty: 'JWT' }, good), everything);
add('ok', 'as long as may be', raw(es, { ...claims, x: 'x'.repeat(7000) }), everything);

// ---- signatures

const order = { ES256: BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551') };
const hex = (n) => Buffer.from(n.toString(16).padStart(64, '0'), 'hex');
const sig = signatureOf(good);
const big = (b) => BigInt(`0x${b.toString('hex')}`);
add('invalid', 'signature: DER', raw(es, claims, 'der'), everything);
add('invalid', 'signature: r and s swapped', withSignature(good, Buffer.concat([sig.subarray(32), sig.subarray(0, 32)])), everything);
for (const [what, r, t] of [['r 0', 0n, 1n], ['s 0', 1n, 0n], ['both 0', 0n, 0n], ['r the order', order.ES256, 1n], ['s the order', 1n, order.ES256], ['r + order', (1n << 256n) - 1n, 1n]])
  add('invalid', `signature: ${what}`, withSignature(good, Buffer.concat([hex(r), hex(t)])), everything);
add('invalid', 'signature: a zero byte before', withSignature(good, Buffer.concat([Buffer.from([0]), sig])), everything);
add('invalid', 'signature: a zero byte before each half', withSignature(good, Buffer.concat([Buffer.from([0]), sig.subarray(0, 32), Buffer.from([0]), sig.subarray(32)])), everything);
add('invalid', 'signature: a byte less', withSignature(good, sig.subarray(0, 63)), everything);
add('invalid', 'signature: of 96 bytes', withSignature(good, Buffer.concat([sig, Buffer.alloc(32)])), everything);
add('ok', 'signature: the other s, which signs the same', withSignature(good, Buffer.concat([sig.subarray(0, 32), hex(order.ES256 - big(sig.subarray(32)))])), everything);
const rs = await sign('RS256');
const rsSig = signatureOf(rs);
const rsInput = Buffer.from(rs.slice(0, rs.lastIndexOf('.')));
add('invalid', 'RSA: a zero byte before', withSignature(rs, Buffer.concat([Buffer.from([0]), rsSig])), everything);
add('invalid', 'RSA: all zero', withSignature(rs, Buffer.alloc(256)), everything);
add('invalid', 'RSA: one', withSignature(rs, Buffer.concat([Buffer.alloc(255), Buffer.from([1])])), everything);
add('invalid', 'RSA: the modulus', withSignature(rs, Buffer.from(keys.RS256.jwk.n, 'base64url')), everything);
for (const hash of ['sha1', 'sha512', 'md5'])
  add('invalid', `RSA: ${hash} inside`, withSignature(rs, crypto.sign(hash, rsInput, rsaKey)), everything);
add('invalid', 'RSA: PSS instead', withSignature(rs, crypto.sign('sha256', rsInput, { key: rsaKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })), everything);
const psKey = crypto.KeyObject.from(keys.PS256.privateKey);
const ps = await sign('PS256');
const psInput = Buffer.from(ps.slice(0, ps.lastIndexOf('.')));
for (const saltLength of [0, 20, 48])
  add('invalid', `PSS: a salt of ${saltLength} bytes`, withSignature(ps, crypto.sign('sha256', psInput, { key: psKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength })), everything);
for (const bits of [512, 1024, 2040]) {
  const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: bits });
  const jwk = { ...publicKey.export({ format: 'jwk' }), alg: 'RS256', kid: 'short' };
  const input = `${b64(text({ alg: 'RS256', kid: 'short' }))}.${b64(text(claims))}`;
  const token = `${input}.${b64(crypto.sign('sha256', Buffer.from(input), privateKey))}`;
  add('no keys', `RSA: ${bits} bits alone`, token, jwk);
  add('invalid', `RSA: ${bits} bits among others`, token, [...everything, jwk]);
}
add('no keys', 'a secret of 31 bytes', good, { kty: 'oct', k: b64(crypto.randomBytes(31)), alg: 'HS256' });
add('no keys', 'a private key in the set', good, await jose.exportJWK(keys.ES256.privateKey));
add('no keys', 'a secret that names no algorithm', good, { kty: 'oct', k: b64(secret) });
add('no keys', 'a key for encryption', good, { ...anonymous, use: 'enc' });

// ---- claims

const said = (more) => raw(es, typeof more === 'string' || Buffer.isBuffer(more) ? more : { ...claims, ...more });
for (const [what, more] of Object.entries({
  'exp as text': { exp: String(NOW + 60) }, 'exp null': { exp: null }, 'exp missing': { exp: undefined }, 'exp negative': { exp: -1 },
  'exp beyond 2^53': { exp: 2 ** 60 }, 'exp as an array': { exp: [NOW + 60] }, 'nbf to come': { nbf: NOW + 1 }, 'nbf as text': { nbf: '0' },
  'iat as text': { iat: 'now' }, 'iss another': { iss: 'you' }, 'iss missing': { iss: undefined }, 'aud another': { aud: 'other' }, 'aud missing': { aud: undefined },
  'aud empty': { aud: [] }, 'aud with a number': { aud: ['app', 1] }, 'sub missing': { sub: undefined }, 'sub empty': { sub: '' }, 'sub a number': { sub: 1 },
})) add('invalid', `claims: ${what}`, said(more), everything);
const plain = text(claims).slice(1, -1);
add('invalid', 'claims: a member twice', said(`{${plain},"sub":"root"}`), everything);
add('invalid', 'claims: a member twice, once escaped', said(`{${plain},"s\\u0075b":"root"}`), everything);
add('invalid', 'claims: a member twice, deep', said(`{${plain},"x":[{"a":1,"a":1}]}`), everything);
add('invalid', 'claims: exp without end', said(`{${plain.replace(/"exp":\d+/, '"exp":1e999')}}`), everything);
add('invalid', 'claims: nine levels', said(`{${plain},"x":${'['.repeat(8)}${']'.repeat(8)}}`), everything);
add('ok', 'claims: eight levels', said(`{${plain},"x":${'['.repeat(7)}${']'.repeat(7)}}`), everything);
add('invalid', 'claims: bytes that are no UTF-8', said(Buffer.concat([Buffer.from(`{${plain},"x":"`), Buffer.from([0xff]), Buffer.from('"}')])), everything);
for (const payload of ['[]', '7', '"text"', 'null', '', `${text(claims)}x`]) add('invalid', `claims: ${payload.slice(0, 6) || 'nothing'}`, said(payload), everything);
add('ok', 'claims: aud as an array', said({ aud: ['other', 'app'] }), everything);
add('ok', 'claims: a fraction of a second left', said({ exp: NOW + 0.25 }), everything);
add('ok', 'claims: nbf now', said({ nbf: NOW }), everything);
add('expired', 'claims: the second it ends', said({ exp: NOW }), everything);
add('expired', 'claims: a fraction ago', said({ exp: NOW - 0.25 }), everything);
add('expired', 'claims: a minute ago', said({ exp: NOW - 60 }), everything, { leeway: 60 });
add('ok', 'claims: less than a minute ago, with leeway', said({ exp: NOW - 59 }), everything, { leeway: 60 });
add('ok', 'claims: nbf in a minute, with leeway', said({ nbf: NOW + 60 }), everything, { leeway: 60 });
add('invalid', 'claims: nbf in more than a minute, with leeway', said({ nbf: NOW + 60.5 }), everything, { leeway: 60 });
add('expired', 'claims: ended, and of another time', said({ exp: 1 }), everything);

for (const c of cases) console.log(JSON.stringify(c));
