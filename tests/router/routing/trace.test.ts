import { describe, expect, test } from 'vitest';
import { POLICIES } from '../../../bench/fleet/policies.ts';
import { simulate } from '../../../bench/fleet/simulate.ts';
import { patternOfTrace } from '../../../bench/fleet/trace.ts';

const OPTIONS = { name: 'tiny', workers: 4, seed: 1, speed: 1 };
const OWN = `arrived,tokens_in,tokens_out,account,session
2,1000,50,b,s2
0.5,100,20,a,s1
3,130,20,a,s1
4,100,20,a,s1
5,400,0,a,
6,70,10,a,
`;

test('a trace of our own columns becomes conversations: a turn that is long enough holds the one before', () => {
  const { conversations, requests, accounts } = patternOfTrace(OWN, OPTIONS);
  expect([requests, accounts]).toEqual([5, 2]);
  expect(conversations).toEqual([
    {
      account: 0,
      turns: [
        { at: 0, tokensIn: 100, tokensOut: 20, prefix: 0 },
        { at: 2_500, tokensIn: 130, tokensOut: 20, prefix: 120 },
        { at: 3_500, tokensIn: 100, tokensOut: 20, prefix: 0 },
      ],
    },
    { account: 1, turns: [{ at: 1_500, tokensIn: 1_000, tokensOut: 50, prefix: 0 }] },
    { account: 0, turns: [{ at: 5_500, tokensIn: 70, tokensOut: 10, prefix: 0 }] },
  ]);
});

test.each([
  [
    'dates',
    'TIMESTAMP,ContextTokens,GeneratedTokens\r\n2026-03-01 12:00:00.5000000,300,40\r\n2026-03-01 12:00:02,20,5\r\n',
  ],
  [
    'seconds',
    'Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5.5,M,300,40,340,API log\n7,M,20,5,25,API log\n',
  ],
])('the columns of traces that are around are known: %s', (_, text) => {
  const { conversations } = patternOfTrace(text, { ...OPTIONS, speed: 3 });
  expect(conversations).toEqual([
    { account: 0, turns: [{ at: 0, tokensIn: 300, tokensOut: 40, prefix: 0 }] },
    { account: 0, turns: [{ at: 500, tokensIn: 20, tokensOut: 5, prefix: 0 }] },
  ]);
});

describe('what cannot be read is named', () => {
  test.each([
    ['arrived,tokens_in\n1,2\n', 'no column tokens_out'],
    ['arrived,tokens_in,tokens_out\n1,2\n', 'line 2 of the trace has 2 columns'],
    ['arrived,tokens_in,tokens_out\n1,2,3\nsoon,2,3\n', 'line 3 of the trace has no time'],
    ['arrived,tokens_in,tokens_out\n,2,3\n', 'line 2 of the trace has no time'],
    ['arrived,tokens_in,tokens_out\n1,2.5,3\n', 'line 2 of the trace has no number'],
    ['arrived,tokens_in,tokens_out\n1,-2,3\n', 'line 2 of the trace has no number'],
    ['arrived,tokens_in,tokens_out\n', 'no request'],
  ])('%j', (text, why) => {
    expect(() => patternOfTrace(text, OPTIONS)).toThrow(why);
  });
});

test('it runs through every rule', () => {
  const pattern = patternOfTrace(OWN, OPTIONS);
  for (const [name, make] of Object.entries(POLICIES)) {
    const { offered, servedShare } = simulate(pattern, make, 1);
    expect([name, offered, servedShare]).toEqual([name, 5, 1]);
  }
});
