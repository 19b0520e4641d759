import { expect, test } from 'vitest';
import { CHALLENGE_LIFETIME_MS, CHALLENGE_PAUSE_MS, createChallenges } from '../../src/router/challenges.ts';
import { Worker } from '../../src/router/fleet.ts';
import type { BeaconSource } from '../../src/router/ports.ts';
import type { RouterToWorker } from '../../src/session/index.ts';

const digest = new Uint8Array(32);
const source: BeaconSource = {
  beacon: { network: -3, seqno: 1, blockRootHash: digest, logOriginSha256: digest, logSize: 1n, logRoot: digest },
  checkpoint: '',
  madeAt: 0,
};

test('whoever is making an answer is not challenged anew, or the answer would be to another challenge; each is good once, and not for long', async () => {
  let now = 1_000_000;
  let drawn = 0;
  let beacon = Promise.resolve(source);
  const said: RouterToWorker[] = [];
  const worker = new Worker({ send: (message) => said.push(message), close: () => undefined });
  const challenges = createChallenges({
    beacon: () => beacon,
    now: () => now,
    randomness: (length) => new Uint8Array(length).fill(++drawn),
  });
  expect(challenges.isDue(worker)).toBe(true);
  await challenges.send(worker, null);
  now += CHALLENGE_PAUSE_MS;
  expect(challenges.isDue(worker)).toBe(false);
  expect(challenges.take(worker)?.nonce).toEqual(new Uint8Array(32).fill(1));
  expect(challenges.take(worker)).toBeNull();
  expect(challenges.isDue(worker)).toBe(false); // its answer is judged
  challenges.over(worker);
  expect(challenges.isDue(worker)).toBe(true);
  expect(challenges.isDue(worker)).toBe(false);
  await challenges.send(worker, 'log');
  expect(said.map((message) => message.kind === 'challenge' && message.anew)).toEqual(['', 'log']);
  now += CHALLENGE_LIFETIME_MS + 1;
  expect(challenges.isDue(worker)).toBe(true);
  expect(challenges.take(worker)).toBeNull();

  const slow = Promise.withResolvers<BeaconSource>();
  beacon = slow.promise;
  const sent = challenges.send(worker, null);
  now += CHALLENGE_PAUSE_MS;
  expect(challenges.isDue(worker)).toBe(false);
  slow.reject(new Error('no beacon'));
  await expect(sent).rejects.toThrow('no beacon');
  expect(challenges.isDue(worker)).toBe(true);
});
