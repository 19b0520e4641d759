import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  amdCollateralOf,
  appraise,
  bundleReportData,
  diffPolicies,
  encodeEvidenceBundle,
  loadAmdEndorsements,
  trustUnder,
} from '../../../src/attestation/index.ts';
import type { Json } from '../../../src/core/index.ts';
import { sharedAmd as amd } from '../simulate/shared-amd.ts';
import { beacon, block, developmentWith, fill, judge, keyset, model, NOW, nonce, nonceRoot, summary } from './scene.ts';

const rule = (expression: string, name = 'own') => ({ name, expression, otherwise: 'not what we want' });
const withRules = (...rules: readonly object[]) => developmentWith({ rules });
const REFUSED = ['refused', 'policy.rule:own'];

describe('what a rule says of a TDX worker', () => {
  test.each([
    ['true', ['affirming']],
    ['false', REFUSED],
    ["tee == 'tdx' && simulated", ['affirming']],
    ["tee == 'sev-snp'", REFUSED],
    ["tdx.status == 'UpToDate' && size(tdx.advisoryIds) == 0", ['affirming']],
    ['tdx.evaluationNumber >= 1', ['affirming']],
    ['tdx.evaluationNumber > 100000', REFUSED],
    ["size(tdx.mrTd) == 96 && tdx.mrOwner.startsWith('00')", ['affirming']],
    [`model == '${'09'.repeat(32)}'`, ['affirming']],
    ["devices.all(d, d.architecture == 'HOPPER')", ['affirming']],
    ["devices.exists(d, d.kind == 'gpu')", REFUSED],
    ["now > timestamp('2026-01-01T00:00:00Z')", ['affirming']],
    ["now < timestamp('2026-01-01T00:00:00Z')", REFUSED],
    // A claim that this evidence does not have: the rule cannot be computed, and that is no yes.
    ['snp.vmpl == 0', REFUSED],
    ["tee != 'sev-snp' || snp.vmpl == 0", ['affirming']],
    ["devices[0].kind == 'gpu'", REFUSED],
  ])('%s', async (expression, expected) => {
    expect(summary(await judge({ policy: withRules(rule(expression)) }))).toEqual(expected);
  });

  test('a refused host reads what the rule says', async () => {
    const { groups } = await judge({ policy: withRules(rule('false'), rule('true', 'other')) });
    expect(groups.policy['rule:own']).toMatchObject({ outcome: 'failed', reason: 'not what we want' });
    expect(groups.policy['rule:other']).toEqual({ outcome: 'passed' });
  });

  test('a rule lets nothing in that something else refuses, and does not judge what is not genuine', async () => {
    const otherwiseRefused = developmentWith({ rules: [rule('true')], tees: ['sev-snp'] });
    expect(summary(await judge({ policy: otherwiseRefused }))).toEqual(['refused', 'policy.tee']);
    const unfinished = await judge({ policy: withRules(rule('true')), endorsements: {} });
    expect(unfinished.status).toBe('unavailable');
    expect(unfinished.groups.policy['rule:own']).toMatchObject({ outcome: 'notRun' });
  });
});

test('what a rule says of an SNP worker', async () => {
  const host = { name: 'birch', line: 'Genoa' } as const;
  const claims = {
    ...{ tee: 'sev-snp' as const, keyset, nonceRoot, beacon, modelDigest: model },
    ...{ epochKeyDigests: [fill(10, 32), fill(11, 32)], devices: [] },
  };
  const quote = amd.machine(host).report({ reportData: bundleReportData(claims) });
  const bundle = encodeEvidenceBundle({ ...claims, quote, eventLog: { firmware: fill(0, 0), runtimeEvents: [] } });
  const endorsements = {
    amd: loadAmdEndorsements(amdCollateralOf(amd.collateral(host, NOW / 1000) as unknown as Json)),
  };
  const under = async (expression: string) =>
    summary(
      await appraise({
        ...trustUnder(withRules(rule(expression)), amd.trustAnchors),
        ...{ bundle, endorsements, now: NOW, expectedNonce: nonce, knownBlocks: [block] },
      }),
    );
  expect(await under("snp.line == 'Genoa' && snp.vmpl == 0 && snp.signer == 'VCEK'")).toEqual(['affirming']);
  expect(await under('snp.committed.microcode >= 1 && snp.reported.snp >= 1')).toEqual(['affirming']);
  expect(await under('snp.reported.microcode >= 1000')).toEqual(REFUSED);
  expect(await under('snp.provisional')).toEqual(REFUSED);
  expect(await under('snp.reported.fmc >= 0')).toEqual(REFUSED); // Turin alone has that part
});

describe('a policy with such a rule is refused when it is read', () => {
  test.each([
    ['no expression', rule('')],
    ['half an expression', rule('tee ==')],
    ['a claim that does not exist', rule("tdx.mrtd == '00'")],
    ['a variable that does not exist', rule("process.env.HOME == ''")],
    ['a number for an answer', rule('size(tee)')],
    ['types that do not go together', rule('tee == 1')],
    ['a regular expression', rule("tee.matches('(a+)+$')")],
    ['a regular expression inside a macro', rule("devices.all(d, d.serial.matches('a*'))")],
    ['a tower of brackets', rule(`${'('.repeat(500)}true${')'.repeat(500)}`)],
    ['more than a person reads', rule(`0==0${'&&0==0'.repeat(169)}`)],
    ['more characters than allowed', rule(`true${' '.repeat(1024)}`)],
    ['a name that is none', { ...rule('true'), name: 'a.b' }],
    ['no word for who is refused', { ...rule('true'), otherwise: '' }],
    ['an unknown field', { ...rule('true'), severity: 'warning' }],
  ])('%s', (_, one) => {
    expect(() => withRules(one)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID' }));
  });

  test('two of one name, and too many', () => {
    expect(() => withRules(rule('true'), rule('false'))).toThrow(/twice/);
    const many = Array.from({ length: 33 }, (_, i) => rule('true', `r${i}`));
    expect(() => withRules(...many)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID' }));
  });
});

test('whatever text stands for a rule, a policy is read or refused with a code', () => {
  const words = [
    'tee',
    'tdx',
    '.',
    'mrTd',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    '==',
    '&&',
    '!',
    '?',
    ':',
    '0',
    ',',
  ];
  const text = fc.oneof(
    fc.string({ maxLength: 64 }),
    fc.array(fc.constantFrom(...words)).map((all) => all.join(' ')),
  );
  fc.assert(
    fc.property(text, (expression) => {
      try {
        withRules(rule(expression));
      } catch (error) {
        expect(error).toMatchObject({ code: 'POLICY_INVALID' });
      }
    }),
  );
});

test('a rule more is stronger, a rule less is weaker, another expression may be', () => {
  const effects = (before: readonly object[], after: readonly object[]) =>
    diffPolicies({ rules: before } as unknown as Json, { rules: after } as unknown as Json).map(({ effect }) => effect);
  expect(effects([], [rule('true')])).toEqual(['stronger']);
  expect(effects([rule('true')], [])).toEqual(['weaker']);
  expect(effects([rule('false')], [rule('true')])).toEqual(['stronger', 'weaker']);
});
