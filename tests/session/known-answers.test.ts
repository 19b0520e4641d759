import { expect, test } from 'vitest';
import { ed25519Key } from '#crypto';
import { clientNonceInput, toHex } from '../../src/core/index.ts';
import { ClientSession, candidateFromSecret } from '../../src/session/client-session.ts';
import { FrameKey } from '../../src/session/frames.ts';
import { encDigest, encodeHeader, type Header, headerHash } from '../../src/session/header.ts';
import { encodeHello, helloDigest, type OwnHello } from '../../src/session/hello.ts';
import { Exporter, exporterSecret, KEM_XWING, sessionInfo } from '../../src/session/hpke.ts';
import type { VerifiedOffer } from '../../src/session/offer.ts';
import { bodyBytes, sealBody, sealedBytesOf } from '../../src/session/request-body.ts';
import {
  RequestDigest,
  requestKeys,
  responseKeys,
  responseStart,
  wrapContentKey,
} from '../../src/session/request-keys.ts';
import { bytes } from './world.ts';

/** AIS/1 section 15, every line. */
test('known answers of the specification', () => {
  const hello = encodeHello({
    versions: [1],
    suites: [0x647a, 0x0020],
    mode: 0,
    nonce: bytes(32, 1),
    sessionId: bytes(16, 2),
    sessionKey: bytes(32, 3),
    model: bytes(32, 4),
    policyCommitment: bytes(32, 5),
  });
  const digest = helloDigest(hello);
  expect(toHex(digest)).toBe('ba24f09956de2d8a01cd933dd9e71ba13e074338462c32f69821ae47a9cf5c72');
  const leaf = clientNonceInput(digest);
  expect(toHex(leaf)).toBe('c3ca42a180f0310c1397a0a4adb7597a9ea25cadbc348c7b1c998c65d42fef46');
  const enc = bytes(1120, 7);
  expect(toHex(encDigest(enc))).toBe('4673fed3cdde1da90402c80d3e871f6cb4f2c1ba38752a7ca9dc784b0df46240');
  const info = sessionInfo(digest, bytes(32, 6));
  expect(toHex(exporterSecret(KEM_XWING, bytes(32, 14), info))).toBe(
    'd08aa918ac7e1b6b99a73d5c52f615922ede4e9eb6169d9c5ab62ebae2ba0529',
  );
  const body = bodyBytes(12, 'padme');
  expect(sealedBytesOf(body)).toBe(273);
  const header: Header = {
    version: 1,
    sessionId: bytes(16, 2),
    requestId: bytes(16, 9),
    idempotency: null,
    candidates: [{ certificateDigest: bytes(32, 6), encDigest: encDigest(enc) }],
    sessionKey: bytes(32, 3),
    paymentRef: bytes(16, 10),
    priceId: bytes(32, 11),
    priceCap: 1000n,
    model: bytes(32, 4),
    outputTokensMax: 64,
    sealedBytes: 273,
    dispatchesMax: 1,
    deadline: 1_795_000_000_000,
    priority: 0,
    padding: 'bucket',
    tags: null,
  };
  const hash = headerHash(encodeHeader(header));
  expect(toHex(hash)).toBe('059af931cd936251a1722c256c2638c9a59a7b8d9f15222cc657afca8c3f71e8');
  const keys = requestKeys(header.requestId, bytes(32, 12), hash);
  expect(toHex(keys.commit)).toBe('6316d068a8dd75c7851b22a4e11fd936244419fa746a83d4cf0fd399ac3c43b1');
  const frames = sealBody(new FrameKey(keys.key, keys.nonce), new TextEncoder().encode('hello, world'), body);
  const request = new RequestDigest(hash, keys.commit);
  for (const frame of frames) request.push(frame);
  expect(toHex(request.value)).toBe('7d2a26c5a04d310ebf80985f665c8ac2de93ab1f89ae8a3ba9386e29cdeec492');
  const name = { requestId: header.requestId, headerHash: hash, requestDigest: request.value };
  const exporter = new Exporter(KEM_XWING, bytes(32, 8));
  expect(toHex(wrapContentKey(exporter, name, bytes(32, 12)))).toBe(
    'f54d7e1149c3e3101f19dabac2b954e06c12576ac0f488ae80222c41888716160db013f084b2a866318554d26d5f9698',
  );
  const response = responseKeys(exporter, name, bytes(32, 12), enc, bytes(32, 13));
  expect(toHex(response.key)).toBe('bdb35f65a85bc84eaad10aabc1803fc477cbacb5e130bc70b3be5696e67d4b18');
  expect(toHex(response.nonce)).toBe('dd2f3305f968996125f49d06');
  const start = responseStart({ ...name, certificateDigest: bytes(32, 6), dispatch: 1, responseNonce: bytes(32, 13) });
  expect(toHex(start)).toBe('71883e20aa45ef4584e9104161831971a1b1fb1cbe74757c1e374ccc10eca910');
});

test('closing a client session overwrites its exporter secrets', () => {
  const secret = bytes(32, 8);
  const offer = { deadline: 10 } as VerifiedOffer;
  const own = { sessionKey: ed25519Key(bytes(32, 1)) } as OwnHello;
  const session = new ClientSession(own, [candidateFromSecret(offer, KEM_XWING, bytes(1120, 7), secret)]);
  session.close();
  expect(secret).toEqual(new Uint8Array(32));
  expect(() => session.use(1)).toThrow('over');
});
