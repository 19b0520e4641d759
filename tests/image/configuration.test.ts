import { expect, test } from 'vitest';
import {
  type MeasuredConfiguration,
  measuredWords,
  parseHostConfiguration,
  parseMeasuredWords,
} from '../../src/image/index.ts';

const MEASURED: MeasuredConfiguration = {
  variant: 'production',
  root: { rootHash: 'a1'.repeat(32), dataBlocks: 51_905 },
  model: { id: 'tales-3m.v1', rootHash: 'b2'.repeat(32), dataBlocks: 2 },
  concurrency: 16,
};
const LINE = ['console=ttyS0', ...measuredWords(MEASURED)].join(' ');

test('the measured configuration is on the command line, and read back from it', () => {
  expect(parseMeasuredWords(`${LINE} initrd=initrd\n`)).toEqual(MEASURED);
  expect(LINE).toContain(`chrysalis.root=${'a1'.repeat(32)}:51905 `);
});

test.each([
  ['a word twice', (line: string) => `${line} chrysalis.variant=production`],
  ['an unknown word', (line: string) => `${line} chrysalis.shell=1`],
  ['a word less', (line: string) => line.replace(/chrysalis\.concurrency=\d+/, '')],
  ['another variant', (line: string) => line.replace('=production', '=trusted')],
  ['another order', (line: string) => line.replace(/(chrysalis\.variant=\S+) (chrysalis\.root=\S+)/, '$2 $1')],
  ['a hash in capitals', (line: string) => line.replace('a1a1', 'A1a1')],
  ['a hash too short', (line: string) => line.replace('a1a1', 'a1')],
  ['a number with a zero before it', (line: string) => line.replace(':51905', ':051905')],
  ['a third part', (line: string) => line.replace(':51905', ':51905:1')],
  ['no blocks', (line: string) => line.replace(':51905', ':0')],
  ['a concurrency that is no number', (line: string) => line.replace('=16', '=1e1')],
  ['nothing of ours', () => 'console=ttyS0'],
])('a command line with %s is refused', (_, change) => {
  expect(change(LINE)).not.toBe(LINE);
  expect(() => parseMeasuredWords(change(LINE))).toThrow();
});

const HOST = { version: 1, name: 'alder', router: 'router.example:8443' };
const parse = (more: object, variant: MeasuredConfiguration['variant'] = 'production') =>
  parseHostConfiguration(JSON.stringify({ ...HOST, ...more }), variant);

test('what the host says has a network of QEMU’s where it names none', () => {
  expect(parse({}).network.gateway).toBe('10.0.2.2');
  const network = { address: '192.0.2.7', prefixBits: 24, gateway: '192.0.2.1', nameServer: '192.0.2.53' };
  expect(parse({ network, payee: `0:${'cd'.repeat(32)}` })).toMatchObject({ network });
});

test('only the debug variant takes a simulated machine', () => {
  const simulatedMachine = { kind: 'chrysalis-simulated-machine' };
  expect(() => parse({ simulatedMachine })).toThrow(/debug variant alone/);
  expect(parse({ simulatedMachine }, 'debug').simulatedMachine).toEqual(simulatedMachine);
});

test.each([
  ['a field that is measured', { model: { rootHash: 'a1'.repeat(32), dataBlocks: 2 } }],
  ['a variant', { variant: 'debug' }],
  ['a command', { command: '/bin/sh' }],
  ['another version', { version: 2 }],
  ['a router with a path', { router: 'router.example:8443/x' }],
  ['a router without a port', { router: 'router.example' }],
  ['a payee that is no account', { payee: '0:1234' }],
  [
    'an address that is none',
    { network: { address: '1.2.3', prefixBits: 8, gateway: '1.2.3.4', nameServer: '1.1.1.1' } },
  ],
  ['a name with a line feed', { name: 'alder\n' }],
])('a host configuration with %s is refused', (_, more) => {
  expect(() => parse(more, 'debug')).toThrow();
});
