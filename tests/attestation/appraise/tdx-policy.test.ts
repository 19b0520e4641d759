import { expect, test } from 'vitest';
import { toHex } from '../../../src/core/index.ts';
import { developmentWith, endorsementsOf, intel, judge, NOW, type SceneOptions, summary } from './scene.ts';

// What a policy says of a TD's platform, one line a case: under these words of `tdx`, this machine, that answer.
const ACCEPTED = ['affirming'];
const DAY = 86_400;
const HOST = { dynamicPlatform: 'allow', cachedKeys: 'allow', smt: 'allow' };
const none = { platform: 0, module: 0, qe: 0 };
/** Seconds since the date of a simulated level: the newest but one, and the older ones. */
const since = (date: string) => NOW / 1000 - Date.parse(date) / 1000;
const SECOND = since('2025-05-14T00:00:00Z');
const OLDER = since('2024-05-15T00:00:00Z');
const seam = toHex(
  intel
    .machine({ name: 'alder' })
    .quote({ reportData: new Uint8Array(64) })
    .subarray(64, 112),
);

type Machine = NonNullable<SceneOptions['machine']>;
const CASES: [title: string, tdx: object, machine: Machine, expected: string[]][] = [
  ['no grace', { tcbGraceSeconds: none }, { module: 'OutOfDate' }, ['refused', 'policy.tcbStatus']],
  ['grace for the module', { tcbGraceSeconds: { ...none, module: SECOND } }, { module: 'OutOfDate' }, ACCEPTED],
  [
    'grace for the module, a second too short',
    { tcbGraceSeconds: { ...none, module: SECOND - 1 } },
    { module: 'OutOfDate' },
    ['refused', 'policy.tcbStatus'],
  ],
  [
    'grace for the module is none for the quoting enclave',
    { tcbGraceSeconds: { ...none, module: SECOND } },
    { qe: 'OutOfDate' },
    ['refused', 'policy.tcbStatus'],
  ],
  ['grace for the quoting enclave', { tcbGraceSeconds: { ...none, qe: SECOND } }, { qe: 'OutOfDate' }, ACCEPTED],
  [
    'grace for a part that is revoked',
    { tcbGraceSeconds: { ...none, qe: OLDER } },
    { qe: 'Revoked' },
    ['refused', 'cpu.tcbNotRevoked', 'policy.tcbStatus'],
  ],
  [
    'grace beyond five years is not for a policy to give',
    { tcbGraceSeconds: { ...none, platform: 2000 * DAY } },
    {},
    ['POLICY_INVALID'],
  ],
  ['any module', { modules: 'any' }, {}, ACCEPTED],
  ['this module', { modules: [seam] }, {}, ACCEPTED],
  ['another module', { modules: ['00'.repeat(48)] }, {}, ['refused', 'policy.tdxModule']],
  ['no module', { modules: [] }, {}, ['refused', 'policy.tdxModule']],
  ['no hyper-threading', { host: { ...HOST, smt: 'refuse' } }, {}, ['refused', 'policy.hostConfiguration']],
  ['no dynamic platform', { host: { ...HOST, dynamicPlatform: 'refuse' } }, {}, ACCEPTED],
  ['no cached keys', { host: { ...HOST, cachedKeys: 'refuse' } }, {}, ACCEPTED],
];

test.each(CASES)('%s', async (_, tdx, machine, expected) => {
  if (expected[0] === 'POLICY_INVALID') {
    expect(() => developmentWith({ tdx })).toThrow(expect.objectContaining({ code: 'POLICY_INVALID' }));
    return;
  }
  expect(summary(await judge({ policy: developmentWith({ tdx }), scene: { machine } }))).toEqual(expected);
});

test('grace for the platform', async () => {
  const grace = (platform: number) => developmentWith({ tdx: { tcbGraceSeconds: { ...none, platform } } });
  const endorsements = await endorsementsOf({ tcbRecovery: true });
  const behind = since('2026-05-13T00:00:00Z');
  expect(summary(await judge({ endorsements, policy: grace(behind) }))).toEqual(ACCEPTED);
  expect(summary(await judge({ endorsements, policy: grace(behind - 1) }))).toEqual(['refused', 'policy.tcbStatus']);
  const configured = { machine: { platformStatus: 'OutOfDateConfigurationNeeded' } } as const;
  expect(summary(await judge({ policy: grace(366 * DAY), scene: configured }))).toEqual([
    'refused',
    'policy.tcbStatus',
  ]);
});

test('collateral older than the policy takes is refused while it is still current', async () => {
  const policy = developmentWith({ tdx: { collateralAgeSecondsMax: DAY } });
  const atMidnight = Math.floor(NOW / 1000 / DAY) * DAY;
  const judgedAt = async (seconds: number) => {
    const { groups } = await judge({ policy, now: seconds * 1000 });
    return [groups.cpu.tcbInfoCurrent, groups.cpu.qeIdentityCurrent];
  };
  expect(await judgedAt(atMidnight + DAY)).toMatchObject([{ outcome: 'passed' }, { outcome: 'passed' }]);
  const tooOld = { outcome: 'failed', code: 'ENDORSEMENT_TOO_OLD' };
  expect(await judgedAt(atMidnight + DAY + 1)).toMatchObject([tooOld, tooOld]);
});
