/** Key release: who is given an owner's secret, and who is not (docs/key-release.md). Real log, store, gRPC, verifier. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kemPrivateKey, sha384 } from '#crypto';
import { DEVELOPMENT_IMAGE } from '../../src/attestation/simulate/index.ts';
import { systemRandomness } from '../../src/cli/compose/files.ts';
import {
  type Bytes,
  encodeNonceProof,
  epochKeyDigest,
  fromHex,
  parseBeacon,
  routerNonceInput,
  toHex,
  utf8,
} from '../../src/core/index.ts';
import { parseLeaf } from '../../src/log/index.ts';
import { CHALLENGE_LIFETIME_MS, createChallenges } from '../../src/router/release/challenges.ts';
import { KEM_XWING, openReleased, type ReleaseAsk, releaseNonceInput } from '../../src/session/index.ts';
import type { Boot, ReleaseLink } from '../../src/worker/index.ts';
import { failedChecks, failure, ownersPolicy, releaseScene, type Scene } from './release-scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await releaseScene();
});
afterAll(() => scene.close());

let names = 0;
const newName = () => `secret-${++names}`;

/** What an honest worker sends, and the key that opens the answer. */
async function askOf(boot: Boot, secret: string, link: Pick<ReleaseLink, 'challenge'>, input = releaseNonceInput) {
  const { nonce, beacon } = await link.challenge(secret);
  const keys = await Promise.all([0x647a, 0x0020].map((kem) => kemPrivateKey(kem as 0x647a, systemRandomness(32))));
  const digests = keys.map(({ kem, publicKey }) => epochKeyDigest(kem, publicKey));
  const made = await boot.attester.evidence([input(secret, nonce)], parseBeacon(beacon), digests);
  const ask: ReleaseAsk = {
    secret,
    nonce,
    bundle: made.bundle,
    nonceProof: encodeNonceProof(made.proofs[0]!),
    publicKey: keys[0]!.publicKey,
    certificates: [],
  };
  return { ask, key: keys[0]!, evidenceDigest: made.evidenceDigest };
}

test('a worker whose evidence satisfies the owner’s policy is given the secret, and the log says so without it', async () => {
  const name = newName();
  const secret = systemRandomness(32);
  const registered = await scene.register(name, secret);
  const boot = scene.newWorker();
  expect(toHex(await scene.fetch(boot, name))).toBe(toHex(secret));
  expect(toHex(await scene.fetch(boot, name))).toBe(toHex(secret)); // asked again, with fresh evidence
  expect(scene.service.secrets().find((one) => one.name === name)).toMatchObject({ state: 'active', released: 2 });

  const entries = await scene.entries();
  const ours = entries
    .map((entry) => parseLeaf(utf8(entry)).leaf)
    .filter(({ subject }) => subject === `release:${toHex(registered.secretId)}`);
  expect(ours.map(({ type }) => type)).toEqual(['secret-registered', 'key-released', 'key-released']);
  const released = ours[1]?.body as Record<string, string>;
  expect(released).toMatchObject({ platform: 'tdx+simulated', verdict: 'affirming', policyNumber: 1 });
  for (const entry of entries) {
    for (const hidden of [name, 'acme', toHex(secret)]) expect(entry).not.toContain(hidden);
  }
  for (const digest of ours[1]?.blobs ?? []) {
    const blob = await scene.log.blobs.get(digest);
    expect(toHex(blob!)).not.toContain(toHex(secret));
  }
});

describe('no secret', () => {
  const otherImage = { ...DEVELOPMENT_IMAGE, mrTd: toHex(sha384(utf8('another image'))) };
  test.each([
    ['another image', { image: otherImage }, 'policy.image'],
    ['a debug TD', { debug: true }, 'policy.debugOff'],
    ['a platform whose TCB is out of date', { platformStatus: 'OutOfDate' as const }, 'policy.tcbStatus'],
    ['events before ours', { rtmr3: systemRandomness(48) }, 'binding.rtmr3Replay'],
  ])('for %s', async (_, machine, check) => {
    const name = newName();
    await scene.register(name);
    expect(await failedChecks(scene.fetch(scene.newWorker({ machine }), name))).toContain(check);
    const last = parseLeaf(utf8((await scene.entries()).at(-1)!)).leaf;
    expect([last.type, String((last.body as { failedChecks?: unknown }).failedChecks)]).toEqual([
      'key-refused',
      expect.stringContaining(check),
    ]);
  });

  test('under an owner’s policy that the router’s would have passed: another model', async () => {
    const name = newName();
    await scene.register(name, systemRandomness(32), ownersPolicy({ models: ['ab'.repeat(32)] }));
    expect(await failedChecks(scene.fetch(scene.newWorker(), name))).toBe('policy.model');
    const boot = scene.newWorker({ model: fromHex('ab'.repeat(32), 'model') });
    expect(await scene.fetch(boot, name)).toHaveLength(32);
  });

  test('to anybody while too many ask; their challenges are not spent by that', async () => {
    const busy = await releaseScene({
      limits: {
        attempts: { perSecond: 0.001, burst: 1 },
        releases: { perSecond: 100, burst: 100 },
        judgedAtOnceMax: 8,
      },
    });
    try {
      await busy.register();
      const boot = busy.newWorker();
      const { ask } = await askOf(boot, 'model-key', busy.link);
      // What answers no challenge costs nothing and takes nobody's turn.
      const forged = { ...ask, nonce: systemRandomness(32) };
      for (let i = 0; i < 5; i++)
        expect(await busy.link.release(forged)).toMatchObject({ failedChecks: ['nonceOpen'] });
      await busy.fetch(boot);
      for (let i = 0; i < 2; i++) {
        const answer = await busy.link.release(ask);
        expect(answer).toMatchObject({ outcome: 'refused', failedChecks: ['rate'] });
      }
    } finally {
      await busy.close();
    }
  });

  test('at once where the log hangs: a revocation waits for no entry', async () => {
    const name = newName();
    await scene.register(name);
    let goOn: (value: unknown) => void = () => undefined;
    scene.meanwhile.run = () =>
      new Promise((done) => {
        goOn = done;
      });
    const revoking = scene.service.revoke({ name });
    expect(await failedChecks(scene.fetch(scene.newWorker(), name))).toBe('secretActive');
    goOn(null);
    expect(await revoking).toEqual([name]);
  });

  test('once the secret is revoked, and none that waits for the log at that moment', async () => {
    const name = newName();
    await scene.register(name);
    const boot = scene.newWorker();
    await scene.fetch(boot, name);
    scene.meanwhile.run = () => scene.service.revoke({ name });
    expect(await failedChecks(scene.fetch(boot, name))).toBe('secretActive');
    expect(await failedChecks(scene.fetch(boot, name))).toBe('secretActive');
    expect(scene.service.secrets().find((one) => one.name === name)?.state).toBe('revoked');
    const types = (await scene.entries()).map((entry) => parseLeaf(utf8(entry)).leaf.type);
    expect(types).toContain('secret-revoked');
  });

  test('under a revoked policy, which no secret can be registered under again', async () => {
    const policyText = ownersPolicy({ id: 'acme-revoked' });
    const [one, two] = [newName(), newName()];
    const { policyDigest } = await scene.register(one, systemRandomness(32), policyText);
    await scene.register(two, systemRandomness(32), policyText);
    expect(await scene.service.revoke({ policyDigest })).toEqual([one, two]);
    for (const name of [one, two]) {
      expect(await failedChecks(scene.fetch(scene.newWorker(), name))).toBe('secretActive');
    }
    const again = await failure(scene.register(newName(), systemRandomness(32), policyText));
    expect([again.code, again.message]).toEqual(['SECRET_REFUSED', 'this policy was revoked']);
    await scene.register(one, systemRandomness(32), ownersPolicy({ id: 'acme-revoked', number: 2 }));
    expect(await scene.fetch(scene.newWorker(), one)).toHaveLength(32);
  });

  test('for a request that is sent a second time, also where both come at once', async () => {
    const name = newName();
    await scene.register(name);
    const { ask } = await askOf(scene.newWorker(), name, scene.link);
    const outcomes = (await Promise.all([scene.link.release(ask), scene.link.release(ask)])).map((one) => one.outcome);
    expect(outcomes.sort()).toEqual(['refused', 'released']);
    const later = await scene.link.release(ask);
    expect(later).toMatchObject({ outcome: 'refused', failedChecks: ['nonceOpen'] });
  });

  test('for evidence under another challenge than its own, for another secret, or over none', async () => {
    const [name, other] = [newName(), newName()];
    await scene.register(name);
    await scene.register(other);
    const boot = scene.newWorker();
    const { ask } = await askOf(boot, name, scene.link);
    const { nonce } = await scene.link.challenge(name);
    expect(await scene.link.release({ ...ask, nonce })).toMatchObject({ failedChecks: ['binding.nonce'] });
    // The challenge belongs to the secret it was made for.
    expect(await scene.link.release({ ...ask, secret: other })).toMatchObject({ failedChecks: ['nonceOpen'] });
    const { ask: own } = await askOf(boot, name, scene.link);
    expect(await scene.link.release({ ...own, nonce: systemRandomness(32) })).toMatchObject({
      failedChecks: ['nonceOpen'],
    });
  });

  test('for a challenge that is over, was made longer, or was spent before a clock went back', () => {
    let now = 1_000_000;
    const challenges = createChallenges({ now: () => now, randomness: systemRandomness }, 4);
    const longer = challenges.make('a');
    new DataView(longer.buffer).setBigUint64(0, BigInt(now + 3_600_000));
    expect(challenges.take('a', longer)).toBe(false);
    const late = challenges.make('a');
    now += CHALLENGE_LIFETIME_MS + 1;
    expect(challenges.take('a', late)).toBe(false);
    const spent = Array.from({ length: 4 }, () => challenges.make('a'));
    expect(spent.map((nonce) => challenges.take('a', nonce))).toEqual([true, true, true, true]);
    expect(() => challenges.take('a', challenges.make('a'))).toThrow(/too many answers/);
    now += CHALLENGE_LIFETIME_MS + 1;
    expect(challenges.take('a', challenges.make('a'))).toBe(true); // the spent ones are forgotten,
    now -= CHALLENGE_LIFETIME_MS;
    expect(spent.map((nonce) => challenges.take('a', nonce))).toEqual([false, false, false, false]); // and stay over
  });

  test('while the log is away: an outage, and the worker may ask again', async () => {
    const name = newName();
    await scene.register(name);
    scene.isAway.log = true;
    try {
      const { message, facts } = await failure(scene.fetch(scene.newWorker(), name));
      expect([message.startsWith('for now: '), facts.service]).toEqual([true, 'LOG_UNREACHABLE']);
    } finally {
      scene.isAway.log = false;
    }
    expect(await scene.fetch(scene.newWorker(), name)).toHaveLength(32);
  });

  test('while collateral is away: neither a pass nor a refusal', async () => {
    const name = newName();
    await scene.register(name);
    const { collateral } = scene.knows;
    scene.knows.collateral = '{}';
    try {
      const { ask } = await askOf(scene.newWorker(), name, scene.link);
      const answer = await scene.link.release(ask);
      expect(answer).toMatchObject({ outcome: 'refused', code: 'RELEASE_REFUSED' });
      expect((answer as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0);
    } finally {
      scene.knows.collateral = collateral;
    }
  });

  test('for who is not registered here', async () => {
    expect(await failedChecks(scene.fetch(scene.newWorker(), 'nobodys'))).toBe('secretKnown');
    expect((await failure(scene.link.challenge('No Name'))).code).toBe('REQUEST_MALFORMED');
  });

  test('more often than the limit, and nobody else’s secret is held up by that', async () => {
    const [name, other] = [newName(), newName()];
    const slow = await releaseScene({
      limits: {
        attempts: { perSecond: 100, burst: 100 },
        releases: { perSecond: 0.001, burst: 2 },
        judgedAtOnceMax: 8,
      },
    });
    try {
      await slow.register(name);
      await slow.register(other);
      const boot = slow.newWorker();
      for (let i = 0; i < 2; i++) await slow.fetch(boot, name);
      const { ask } = await askOf(boot, name, slow.link);
      const answer = await slow.link.release(ask);
      expect(answer).toMatchObject({ outcome: 'refused', failedChecks: ['rate'] });
      expect((answer as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(1_000);
      expect(await slow.fetch(boot, other)).toHaveLength(32);
    } finally {
      await slow.close();
    }
  });
});

describe('a second router', () => {
  test('that has the file of secrets and not the key does not start', async () => {
    const name = newName();
    const secret = systemRandomness(32);
    await scene.register(name, secret);
    expect(() => scene.newService('release-test', systemRandomness(32))).toThrow(/does not open with this key/);
    const held = ['release-test.sqlite', 'release-test.sqlite-wal'].map((file) =>
      readFileSync(join(scene.folder, file)),
    );
    expect(Buffer.concat(held).includes(Buffer.from(secret))).toBe(false);
  });

  test('with no registration of its own has no secret, and its challenge is none of the first one’s', async () => {
    const name = newName();
    await scene.register(name);
    const second = scene.newService('release-second', systemRandomness(32));
    const { ask: atSecond } = await askOf(scene.newWorker(), name, second);
    expect(await second.release(atSecond)).toMatchObject({ outcome: 'refused', failedChecks: ['secretKnown'] });
    const { ask } = await askOf(scene.newWorker(), name, second);
    expect(await scene.link.release(ask)).toMatchObject({ outcome: 'refused', failedChecks: ['nonceOpen'] });
  });

  test('that has a worker answer a release challenge as one of its own is refused: the labels differ', async () => {
    const name = newName();
    await scene.register(name);
    const { ask } = await askOf(scene.newWorker(), name, scene.link, (_, nonce) => routerNonceInput(nonce));
    expect(await scene.link.release(ask)).toMatchObject({ outcome: 'refused', failedChecks: ['binding.nonce'] });
  });

  test('between worker and service can put no key of its own in, and opens nothing that it carries', async () => {
    const name = newName();
    const secret = systemRandomness(32);
    await scene.register(name, secret);
    const boot = scene.newWorker();
    const own = await kemPrivateKey(KEM_XWING, systemRandomness(32));
    const { ask } = await askOf(boot, name, scene.link);
    expect(await scene.link.release({ ...ask, publicKey: own.publicKey })).toMatchObject({
      failedChecks: ['binding.releaseKey'],
    });

    const carried: Bytes[] = [];
    const { ask: second, key, evidenceDigest } = await askOf(boot, name, scene.link);
    const answer = await scene.link.release(second);
    if (answer.outcome !== 'released') throw new Error(answer.message);
    carried.push(answer.enc, answer.sealed);
    expect(carried.some((part) => Buffer.from(part).includes(Buffer.from(secret)))).toBe(false);
    const { policyDigest } = answer;
    const context = { secret: name, nonce: second.nonce, evidenceDigest, policyDigest };
    expect((await failure(openReleased(own, context, answer))).code).toBe('OPEN_FAILED');
    // Nor does it open as the answer to anything else.
    for (const other of [
      { ...context, secret: 'other' },
      { ...context, nonce: systemRandomness(32) },
      { ...context, evidenceDigest: systemRandomness(32) },
      { ...context, policyDigest: systemRandomness(32) },
    ]) {
      expect((await failure(openReleased(key, other, answer))).code).toBe('OPEN_FAILED');
    }
    expect(toHex(await openReleased(key, context, answer))).toBe(toHex(secret));
  });

  test('that hands a worker an older answer fails at the worker', async () => {
    const name = newName();
    await scene.register(name);
    const boot = scene.newWorker();
    const { ask } = await askOf(boot, name, scene.link);
    const old = await scene.link.release(ask);
    const replaying: ReleaseLink = { ...scene.link, release: async () => old };
    expect((await failure(scene.fetch(boot, name, replaying))).code).toBe('OPEN_FAILED');
  });
});

test('whatever is sent instead of a request is refused with a code, and nothing is released', async () => {
  const name = newName();
  await scene.register(name);
  const boot = scene.newWorker();
  const broken: readonly ((ask: ReleaseAsk) => ReleaseAsk)[] = [
    (ask) => ({ ...ask, bundle: new Uint8Array(0) }),
    (ask) => ({ ...ask, bundle: ask.bundle.subarray(0, ask.bundle.length - 1) }),
    (ask) => ({ ...ask, nonceProof: new Uint8Array(7) }),
    (ask) => ({ ...ask, publicKey: new Uint8Array(0) }),
    (ask) => ({ ...ask, publicKey: new Uint8Array(1216) }),
    (ask) => ({ ...ask, nonce: ask.nonce.subarray(0, 31) }),
    (ask) => ({ ...ask, certificates: Array.from({ length: 5 }, () => new Uint8Array(1)) }),
  ];
  for (const change of broken) {
    const { ask } = await askOf(boot, name, scene.link);
    const answer = await scene.link.release(change(ask));
    expect(answer.outcome).toBe('refused');
    expect((answer as { code: string }).code).not.toBe('INVARIANT_BROKEN');
  }
});
