/** Key release: how an owner's secret gets in force at a router, and stays so (docs/key-release.md). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemRandomness } from '../../src/cli/compose/files.ts';
import { toHex, utf8 } from '../../src/core/index.ts';
import { parseLeaf } from '../../src/log/index.ts';
import type { ReleaseLink } from '../../src/worker/index.ts';
import {
  approvalsOf,
  failedChecks,
  failure,
  ownersPolicy,
  people,
  policyDocument,
  releaseScene,
  type Scene,
} from './release-scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await releaseScene();
});
afterAll(() => scene.close());
let names = 0;
const newName = () => `secret-${++names}`;

describe('registration', () => {
  const given = async (changes: Readonly<Record<string, unknown>> = {}) => {
    const policyText = ownersPolicy();
    const secret = systemRandomness(32);
    const approvals = await approvalsOf(policyText);
    return { name: newName(), owner: 'acme', secret, policyText, approvals, ...changes };
  };
  const refused = async (changes: Readonly<Record<string, unknown>>) => {
    const before = scene.service.secrets().length;
    const { code, message } = await failure(scene.service.register(await given(changes)));
    expect(scene.service.secrets()).toHaveLength(before);
    return `${code}: ${message}`;
  };

  test('needs two of the owner’s people over this very policy', async () => {
    const text = ownersPolicy();
    expect(await refused({ approvals: await approvalsOf(text, people.alice, null) })).toMatch(/1 of 2 people/);
    expect(await refused({ approvals: await approvalsOf(text, people.alice, people.mallory) })).toMatch(
      /1 of 2 people/,
    );
    expect(await refused({ owner: 'evil' })).toMatch(/0 of 2 people/);
    expect(await refused({ owner: 'nobody' })).toMatch(/no such owner/);
    const weaker = ownersPolicy({ tdx: { ...(policyDocument.tdx as object), tcbStatuses: ['OutOfDate'] } });
    expect(await refused({ policyText: weaker })).toMatch(/of another policy/);
    expect(await refused({ approvals: '{}' })).toMatch(/OBJECT_MALFORMED/);
    expect(await refused({ policyText: '{}' })).toMatch(/POLICY_INVALID/);
    expect(await refused({ approvals: await approvalsOf(text, people.alice, people.bob, 1_000_000) })).toMatch(
      /POLICY_NOT_YET_EFFECTIVE/,
    );
    for (const changes of [{ name: 'Not A Name' }, { secret: new Uint8Array(0) }, { secret: new Uint8Array(1025) }]) {
      expect(await refused(changes)).toMatch(/SECRET_REFUSED/);
    }
  });

  test('goes on with a higher number of the same policy or the very same policy, and never back', async () => {
    const name = newName();
    const put = (policyText: string, secret = systemRandomness(32)) => scene.register(name, secret, policyText);
    await put(ownersPolicy({ number: 5 }));
    expect((await failure(put(ownersPolicy({ number: 4 })))).message).toMatch(/does not follow acme-models #5/);
    expect((await failure(put(ownersPolicy({ number: 6, id: 'other' })))).message).toMatch(/does not follow/);
    await put(ownersPolicy({ number: 6 }));
    const secret = systemRandomness(32);
    await put(ownersPolicy({ number: 6 }), secret); // a new secret under the same policy
    expect(toHex(await scene.fetch(scene.newWorker(), name))).toBe(toHex(secret));
    await scene.service.revoke({ name });
    expect((await failure(put(ownersPolicy({ number: 6 })))).message).toMatch(/does not follow/);
    await put(ownersPolicy({ number: 7 }));
    expect(await scene.fetch(scene.newWorker(), name)).toHaveLength(32);
  });

  test('is not in force where the log did not take it', async () => {
    scene.isAway.log = true;
    try {
      const { code } = await failure(scene.service.register(await given()));
      expect(code).toBe('LOG_UNREACHABLE');
    } finally {
      scene.isAway.log = false;
    }
  });
});

test('what was registered and revoked is there after a restart; a revocation that the log missed is made up for', async () => {
  const second = await releaseScene();
  try {
    const secret = systemRandomness(32);
    await second.register('kept', secret);
    await second.register('gone');
    second.isAway.log = true;
    expect((await failure(second.service.revoke({ name: 'gone' }))).code).toBe('LOG_UNREACHABLE');
    expect(await failedChecks(second.fetch(second.newWorker(), 'gone'))).toBe('secretActive');
    second.isAway.log = false;
    const again = second.newService('release-test', second.vaultKey);
    expect(again.secrets().map(({ name, state }) => [name, state])).toEqual([
      ['gone', 'revoked'],
      ['kept', 'active'],
    ]);
    const link: ReleaseLink = { challenge: again.challenge, release: again.release, close: () => undefined };
    expect(toHex(await second.fetch(second.newWorker(), 'kept', link))).toBe(toHex(secret));
    await again.close();
    const types = (await second.entries()).map((entry) => parseLeaf(utf8(entry)).leaf.type);
    expect(types.filter((type) => type === 'secret-revoked')).toHaveLength(1);
  } finally {
    await second.close();
  }
});
